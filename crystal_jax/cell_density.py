"""Sums of Gaussians on the unit cell's own grid, which repeats with it.

Where the voxels are closer than about 0.6 σ the density holds no frequency
that the grid cannot carry: structure factors times a Gaussian, and one inverse
FFT, give the sum over all images at the voxels' points, at any shape of cell.
Where they are not, that would be the density without its high frequencies
(`band_limit=True` asks for it), and the sum at the points is taken image by
image.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from crystal_jax import images as periodic
from crystal_jax import lattice
from crystal_jax.grids import CellGrid
from crystal_jax.images import Split

_dot = functools.partial(jnp.matmul, precision='highest')


def fourier_density(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  cell: Split,
  grid: CellGrid,
) -> Float[Array, 'G G G C']:
  """Weight per Å³ up to the Nyquist frequency, each atom given once.

  At Nyquist of an even count, +n/2 and -n/2 are one frequency of the grid. The
  coefficient of -n/2 stands for it, and the real part is taken.

  Args:
    centers: Where the atoms are [M, 3], Å.
    weights: Their weights, zero in unused slots.
    sigma: Standard deviation, Å.
    cell: Lattice vectors as rows, Å.
    grid: The grid. Static.
  """
  inverse, _ = lattice.invert(cell.value)
  fractional = _dot(centers.value, inverse)
  orders = [_orders(n) for n in grid.shape]
  orders[2] = orders[2][: grid.shape[2] // 2 + 1]  # enough for a real density
  orders = [jnp.asarray(n, weights.dtype) for n in orders]

  # |k|² on the grid of frequencies, for the Gaussian's own transform.
  waves = [n[:, None] * inverse.T[i][None] for i, n in enumerate(orders)]
  squares = 0.0
  for x, y, z in zip(*(wave.T for wave in waves), strict=True):
    squares += (x[:, None, None] + y[None, :, None] + z[None, None]) ** 2
  envelope = jnp.exp(-2 * (np.pi * sigma) ** 2 * squares)
  envelope *= np.prod(grid.shape) / periodic.volume(cell)

  # Structure factors Σ_m w_m exp(-2πi n·f_m), in real arithmetic.
  angles = [
    -2 * np.pi * fractional[:, i, None] * n[None] for i, n in enumerate(orders)
  ]
  (cx, sx), (cy, sy), (cz, sz) = ((jnp.cos(a), jnp.sin(a)) for a in angles)

  def outer(x, y):
    return jnp.einsum('mx,my->mxy', x, y).reshape(len(x), -1)

  real = outer(cy, cz) - outer(sy, sz)
  imag = outer(sy, cz) + outer(cy, sz)
  right = jnp.concatenate([real, imag])  # [2M, ny nz]

  def channel(weight):
    c, s = cx * weight[:, None], sx * weight[:, None]
    left = jnp.concatenate(
      [jnp.concatenate([c, s], 1), jnp.concatenate([-s, c], 1)]
    )  # [2M, 2 nx]
    parts = _dot(left.T, right).reshape(2, *envelope.shape) * envelope[None]
    spectrum = _merge_nyquist(jax.lax.complex(parts[0], parts[1]), grid)
    return jnp.fft.irfftn(spectrum, grid.shape)

  return jnp.moveaxis(jax.lax.map(channel, weights.T), 0, -1)


def _orders(count: int) -> np.ndarray:
  """Frequencies 0, 1, .. -1 of an axis; an even count has +n/2 at the end."""
  orders = np.fft.fftfreq(count) * count
  return orders if count % 2 else np.append(orders, count / 2)


def _merge_nyquist(spectrum, grid) -> Complex[Array, 'X Y Z']:
  """Half a spectrum with +n/2 and -n/2 of x and of y averaged.

  Where z's own frequency is 0 or Nyquist nothing is done: there the inverse
  transform takes the real part by itself.
  """
  nx, ny, nz = grid.shape
  inner = slice(1, (nz + 1) // 2)
  merged = spectrum[:nx, :ny]
  # The opposite of -n/2 is the last; of all others, itself.
  across, along = (
    np.where(_orders(n)[:n] == -n / 2, n, np.arange(n)) for n in (nx, ny)
  )
  if nx % 2 == 0:
    plane = (spectrum[nx // 2, :ny] + spectrum[nx, along]) / 2
    merged = merged.at[nx // 2, :, inner].set(plane[:, inner])
  if ny % 2 == 0:
    plane = (spectrum[:nx, ny // 2] + spectrum[across, ny]) / 2
    merged = merged.at[:, ny // 2, inner].set(plane[:, inner])
  return merged


def direct_density(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  cell: Split,
  grid: CellGrid,
) -> Float[Array, 'G G G C']:
  """Weight per Å³, image by image, at any spacing.

  Args:
    centers: Where the images are [M, 3], Å.
    weights: Their weights, zero in unused slots.
    sigma: Standard deviation, Å.
    cell: Lattice vectors as rows, Å.
    grid: The grid. Static.
  """
  dtype = weights.dtype
  weights = weights * ((2 * np.pi) ** -1.5 / sigma**3)
  sizes = jnp.asarray(grid.shape, dtype)
  inverse, _ = lattice.invert(cell.value)
  nearest = jax.lax.stop_gradient(
    jnp.round(_dot(centers.value, inverse) * sizes[None])
  )
  # From an image to its nearest voxel is a small difference of large numbers,
  # so it is taken in whole quanta; from there on all numbers are small.
  whole = nearest[:, :, None] * cell.coarse[None]  # [M, 3, 3], exact
  coarse = periodic.quantize(whole / sizes[None, :, None])
  rest = whole - coarse * sizes[None, :, None]
  rest = (rest + nearest[:, :, None] * cell.fine[None]) / sizes[None, :, None]
  offsets = coarse.sum(1) - centers.coarse + (rest.sum(1) - centers.fine)
  axes = [jnp.arange(n, dtype=dtype) for n in grid.shape]

  @jax.checkpoint
  def one(offset, voxel, weight):
    squares = 0.0
    for i in range(3):
      x, y, z = (
        (axis - n) * (vector[i] / size)
        for axis, n, vector, size in zip(
          axes, voxel, cell.value, grid.shape, strict=True
        )
      )
      part = x[:, None, None] + y[None, :, None] + z[None, None]
      squares += (part + offset[i]) ** 2
    atom = jnp.exp(-0.5 * squares / sigma**2)
    return atom[..., None] * weight[None, None, None]

  def add(carry, image):
    total, surplus = carry  # Kahan: what rounding added goes off the next
    part = one(*image) - surplus
    new = total + part
    return (new, jax.lax.stop_gradient(new - total - part)), None

  empty = jnp.zeros((*grid.shape, weights.shape[1]), dtype)
  images = offsets, nearest, weights
  return jax.lax.scan(add, (empty, empty), images)[0][0]
