"""Structure factors and their gradients, as products of real matrices.

The phase of an atom is a product of three, one an axis; complex matrix
products are slow on a CPU, so cosines and sines go separately.
"""

import jax.numpy as jnp
import numpy as np

from crystal_jax.decoding.box import dot


def twice(size: int) -> np.ndarray:
  """How often each frequency of the half spectrum counts."""
  twice = np.full(size // 2 + 1, 2.0)
  twice[0] = 1.0
  if size % 2 == 0:
    twice[-1] = 1.0
  return twice


def forward(waves, re, im):
  """Σ w exp(-2πi k f), real and imaginary; in real products, which are fast."""
  (cx, sx), (cy, sy), (cz, sz) = waves
  a, b = cx * re[None] - sx * im[None], sx * re[None] + cx * im[None]
  plane_re = a[:, None] * cy[None] - b[:, None] * sy[None]
  plane_im = a[:, None] * sy[None] + b[:, None] * cy[None]
  x, y, k = plane_re.shape
  plane = jnp.concatenate([plane_re, plane_im], axis=-1).reshape(x * y, 2 * k)
  both = jnp.block([[cz.T, sz.T], [-sz.T, cz.T]])
  out = dot(plane, both).reshape(x, y, 2, -1)
  return out[:, :, 0], out[:, :, 1]


def backward(waves, orders, re, im, phases):
  """Σ_k Re R conj(e) and, by fraction, its slopes: [4, K]."""
  (cx, sx), (cy, sy), (cz, sz) = waves
  x, y, z = re.shape
  k = cx.shape[1]
  kx, ky, kz = orders
  lines = jnp.concatenate([re, im], axis=-1).reshape(x * y, 2 * z)
  # conj(e) = c - i s: real part re c + im s, imaginary part im c - re s.
  zs = [cz, cz * kz[:, None]], [sz, sz * kz[:, None]]
  both = jnp.concatenate(
    [
      jnp.concatenate([zs[0][0], -zs[1][0], zs[0][1], -zs[1][1]], axis=1),
      jnp.concatenate([zs[1][0], zs[0][0], zs[1][1], zs[0][1]], axis=1),
    ]
  )
  out = dot(lines, both).reshape(x, y, 4, k)
  value, slope = (out[:, :, 0], out[:, :, 1]), (out[:, :, 2], out[:, :, 3])

  def along_y(pair, c, s):
    r, i = pair
    return (
      jnp.sum(r * c[None] + i * s[None], axis=1),
      jnp.sum(i * c[None] - r * s[None], axis=1),
    )

  def along_x(pair, c, s):
    r, i = pair
    r, i = jnp.sum(r * c + i * s, axis=0), jnp.sum(i * c - r * s, axis=0)
    return r * phases[0] + i * phases[1], i * phases[0] - r * phases[1]

  flat = along_y(value, cy, sy)
  weight = along_x(flat, cx, sx)[0]
  # d/df of conj(e) brings 2πi k, so the slope is -2π of the imaginary part.
  by_x = along_x(flat, cx * kx[:, None], sx * kx[:, None])[1]
  flat = along_y(value, cy * ky[:, None], sy * ky[:, None])
  by_y = along_x(flat, cx, sx)[1]
  by_z = along_x(along_y(slope, cy, sy), cx, sx)[1]
  slopes = -2 * np.pi * jnp.stack([by_x, by_y, by_z])
  return jnp.concatenate([slopes, weight[None]])
