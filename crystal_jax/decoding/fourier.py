"""Structure factors and their gradients, as products of real matrices.

The phase factor of an atom is a product of three, one for each axis. Those of x
and y are multiplied first; what remains is a matrix product with those of z.
Complex products are slow on a CPU, so a spectrum is stored as real `lines`
[2 Z, X Y]: the real parts, then the imaginary parts.
"""

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.density.precision import dot


def lines(spectrum):
  """A spectrum [X, Y, Z] as [2 Z, X Y]; a real one fills both halves."""
  flat = spectrum.reshape(-1, spectrum.shape[2]).T
  real = not jnp.iscomplexobj(flat)
  return jnp.concatenate([flat, flat] if real else [flat.real, flat.imag])


def spectrum(lines, shape):
  """The spectrum [X, Y, Z] of `lines`: their inverse."""
  re, im = jnp.split(lines, 2)
  return jax.lax.complex(re, im).T.reshape(shape)


def multiplicities(size: int) -> np.ndarray:
  """Number of full-spectrum frequencies of each one in the half spectrum."""
  counts = np.full(size // 2 + 1, 2.0)
  counts[0] = 1.0
  if size % 2 == 0:
    counts[-1] = 1.0
  return counts


def waves(orders, fractional):
  """Cosines and sines [n, K] of -2π k f, of each axis.

  Args:
    orders: Integer frequencies k along each axis.
    fractional: Fractional coordinates f of each atom, [K, 3].
  """
  angles = jnp.concatenate(
    [
      -2 * jnp.pi * k[:, None] * f[None]
      for k, f in zip(orders, fractional.T, strict=True)
    ]
  )
  ends = np.cumsum([len(k) for k in orders])[:-1]
  both = (jnp.split(part, ends) for part in (jnp.cos(angles), jnp.sin(angles)))
  return list(zip(*both, strict=True))


def planes(x, y):
  """Products of the phases of two axes: [2 K, X Y]."""
  (cx, sx), (cy, sy) = ((a.T[:, :, None], b.T[:, :, None]) for a, b in (x, y))
  cy, sy = cy.swapaxes(1, 2), sy.swapaxes(1, 2)
  both = jnp.concatenate([cx * cy - sx * sy, cx * sy + sx * cy])
  return both.reshape(len(both), -1)


def forward(planes, z, re, im):
  """Σ w exp(-2πi k f) of complex weights, as lines."""
  (c, s), (re, im) = z, (re[None], im[None])
  a, b = c * re - s * im, s * re + c * im
  return dot(jnp.block([[a, -b], [b, a]]), planes)


def backward(planes, z, orders, lines, phases):
  """Σ_k Re R conj(e) and, by fraction, its slopes: [4, K].

  The slope of conj(e) brings 2πi k.

  Args:
    planes: Result of `planes`.
    z: Cosines and sines of the third axis, [Z, K].
    orders: Integer frequencies along each axis.
    lines: R, as `lines`.
    phases: Cosine and sine [K] of a further phase of e.
  """
  kx, ky, kz = orders
  kx, ky = (k.reshape(1, -1) for k in jnp.meshgrid(kx, ky, indexing='ij'))
  lines = jnp.concatenate([lines, lines * kx, lines * ky])
  products = dot(lines, planes.T).reshape(3, 2, len(kz), 2, -1)
  re = products[:, 0, :, 0] + products[:, 1, :, 1]
  im = products[:, 1, :, 0] - products[:, 0, :, 1]
  c = z[0] * phases[0][None] - z[1] * phases[1][None]
  s = z[1] * phases[0][None] + z[0] * phases[1][None]
  turned = im * c[None] - re * s[None]
  by_x, by_y = jnp.sum(turned[1:], axis=1)
  by_z = jnp.sum(turned[0] * kz[:, None], axis=0)
  weight = jnp.sum(re[0] * c + im[0] * s, axis=0)
  slopes = -2 * np.pi * jnp.stack([by_x, by_y, by_z])
  return jnp.concatenate([slopes, weight[None]])
