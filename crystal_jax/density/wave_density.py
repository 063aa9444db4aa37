"""Sums of periodic Gaussians as Fourier series.

By Poisson's formula the sum over all images is one over reciprocal vectors k,

  Σ_k S(k) exp(-2π²σ²k²) exp(2πi k·r) / V,  S(k) = Σ_m w_m exp(-2πi k·r_m)

over the frequencies at which the Gaussian has not vanished: those of a fine
grid of the cell, which an inverse FFT sums; or, where the cell is small beside
sigma and has thousands of images, at most 125.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from crystal_jax.density.grids import BoxGrid, CellGrid, outer_sum
from crystal_jax.density.precision import dot, trilinear_sum
from crystal_jax.density.split import Split, quantize, volume
from crystal_jax.structure import lattice

# Wave vectors k up to 2 along each axis: one of each k and -k, without 0, the
# mean.
_ORDERS = np.array(list(itertools.product(range(-2, 3), repeat=3)))[:62]


def cell_waves(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  cell: Split,
  grid: CellGrid,
) -> Float[Array, 'G G G C']:
  """Weight per Å³ on a cell's grid up to the Nyquist frequency.

  That is the sum over all images where voxels are closer than about 0.6 σ
  (`grids.resolves`), and `band_limit=True` where they are not.

  At Nyquist of an even count, +n/2 and -n/2 are one frequency of the grid. The
  coefficient of -n/2 stands for it, and the real part is taken.

  Arguments are those of `cell_density`, with each atom once.
  """
  inverse = lattice.invert(cell.value)
  coarse, fine = fractional(centers, cell)
  whole = [_orders(n) for n in grid.shape]
  whole[2] = whole[2][: grid.shape[2] // 2 + 1]  # enough for a real density
  orders = [jnp.asarray(n, weights.dtype) for n in whole]

  squares: Array | float = 0.0
  for row in inverse:
    waves = (n * k for n, k in zip(orders, row, strict=True))
    squares += outer_sum(*waves) ** 2
  envelope = jnp.exp(-2 * (np.pi * sigma) ** 2 * squares)
  space = volume(cell)
  envelope *= np.prod(grid.shape) / space.value
  envelope = envelope.at[0, 0, 0].set(0.0)

  def phases(coarse, fine, n):
    turns = jnp.outer(coarse, n)
    turns = turns - jnp.round(turns) + jnp.outer(fine, n)
    # 2π in two parts, the first of few digits.
    return jnp.exp(-1j * (6.28125 * turns + (2 * np.pi - 6.28125) * turns))

  x, y, z = map(phases, coarse.T, fine.T, orders)
  pairs = jnp.einsum('my,mz->myz', y, z).reshape(len(y), -1)

  def channel(weight):
    factors = dot((x * weight[:, None]).T, pairs).reshape(envelope.shape)
    spectrum = _merge_nyquist(factors * envelope, grid)
    return _add_mean(jnp.fft.irfftn(spectrum, grid.shape), weight, space)

  return jnp.moveaxis(jax.lax.map(channel, weights.T), 0, -1)


def box_waves(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  cell: Split,
  grid: BoxGrid,
) -> Float[Array, 'G G G C']:
  """Weight per Å³ at the voxels of a box, where `is_small(cell, sigma)`.

  Arguments are those of `cell_density`, with each atom once.
  """
  waves = dot(_ORDERS.astype(weights.dtype), lattice.invert(cell.value).T)
  share = jnp.exp(-2 * (np.pi * sigma) ** 2 * (waves**2).sum(1))
  space = volume(cell)
  share *= 2 / space.value  # a wave and its opposite
  start = jnp.exp(-2j * np.pi * dot(centers.value, waves.T))  # [M, K]
  factors = dot(weights.T.astype(start.dtype), start) * share[None]

  axis = jnp.asarray(grid.axis(), weights.dtype)
  x, y, z = (jnp.exp(2j * np.pi * jnp.outer(axis, wave)) for wave in waves.T)
  z = (z[:, None] * factors[None]).reshape(-1, len(waves))
  density = trilinear_sum(x, y, z).real.reshape(*grid.shape, -1)
  return _add_mean(density, weights, space)


def fractional(centers: Split, cell: Split) -> Split:
  """Fractional coordinates [M, 3]; the coarse part in whole 256ths.

  Whole frequencies times the coarse part do not round. The rest is found from
  what the coarse part leaves, as rounding that is the same for all atoms would
  add up.
  """
  inverse = lattice.invert(cell.value)
  coarse = quantize(dot(centers.value, inverse))
  rest = centers.coarse - dot(coarse, cell.coarse)
  rest += centers.fine - dot(coarse, cell.fine)
  return Split(coarse, dot(rest, inverse))


def is_small(
  cell: Float[Array, '3 3'], sigma: Float[Array, '']
) -> Bool[Array, '']:
  """Whether the Gaussian vanishes beyond the waves of `box_waves`.

  All other waves have |k| ≥ 3 / a for a vector's length a: with a ≤ 3 σ they
  are below exp(-2π²), 3e-9 of the mean.
  """
  return jnp.linalg.norm(cell, axis=-1).max() <= 3 * sigma


def _add_mean(density, weights, volume: Split):
  """Adds the mean Σw / V last, in double length, so that it rounds once."""
  total = weights.sum(0)[None, None, None]
  high = jax.lax.reduce_precision(total / volume.value, 8, 11)
  low = (total - high * volume.coarse - high * volume.fine) / volume.value
  return density + low + high


def _orders(count: int) -> np.ndarray:
  """Frequencies 0, 1, .. -1 of an axis; an even count has +n/2 at the end."""
  orders = np.fft.fftfreq(count) * count
  return orders if count % 2 else np.append(orders, count / 2)


def _merge_nyquist(spectrum, grid) -> Complex[Array, 'X Y Z']:
  """Half a spectrum with +n/2 and -n/2 of x and of y averaged.

  Where z's own frequency is 0 or Nyquist, the inverse transform takes the real
  part by itself.
  """
  nx, ny, nz = grid.shape
  # The opposite of -n/2 is the last; of all others, itself.
  x, y = (np.where(np.arange(n) == n / 2, n, np.arange(n)) for n in (nx, ny))
  i, j = np.nonzero((x == nx)[:, None] | (y == ny))
  mean = (spectrum[i, j] + spectrum[x[i], y[j]]) / 2
  inner = slice(1, (nz + 1) // 2)
  return spectrum[:nx, :ny].at[i, j, inner].set(mean[:, inner])
