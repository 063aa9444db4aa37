"""Crystals to densities: every atom and every periodic image, a Gaussian each.

`voxelize` is exact at the voxel's point, differentiable with respect to
positions, weights, cell and sigma, and works inside any JAX transformation.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from crystal_jax import images as periodic
from crystal_jax.grids import BoxGrid, CellGrid, Grid
from crystal_jax.images import count_images

_STATIC = ('grid', 'max_images', 'band_limit')

__all__ = ['count_images', 'voxelize', 'voxelize_batch']


def voxelize(
  positions: Float[ArrayLike, 'N 3'],
  weights: Num[ArrayLike, 'N *C'],
  cell: Float[ArrayLike, '3 3'] | None,
  *,
  grid: Grid,
  sigma: Float[ArrayLike, ''],
  max_images: int | None = None,
  band_limit: bool = False,
) -> Float[Array, 'G G G *C']:
  """Density of Gaussian atoms, and of all their periodic images, on a grid.

  M(r) = Σ_m w_m (2πσ²)^(-3/2) exp(-|r - r_m|² / 2σ²)

  Args:
    positions: Cartesian positions, Å. Any real value; images make the wrap.
    weights: What each atom contributes: atomic numbers, or C channels. A
      zero marks an empty slot.
    cell: Lattice vectors as rows, Å. None: no images (isolated atoms).
    grid: Where the density is sampled. Static.
    sigma: Standard deviation of one atom, Å.
    max_images: Most images that may reach the grid. Static. None: found here,
      which needs concrete positions, cell and sigma.
    band_limit: Only what the grid resolves: Fourier coefficients up to the
      Nyquist frequency (CellGrid only). Static.

  Returns:
    Weight per Å³, float32 (float64 for float64 input in x64 mode). NaN
    everywhere if `max_images` was too small.

  Raises:
    ValueError: If shapes disagree, a CellGrid comes without a cell, or
      `max_images` is None under a transformation that hides the positions.

  References:
    Hoffmann et al., arXiv:1909.00949.
  """
  _check(positions, weights, cell, sigma, grid, max_images, band_limit, 0)
  if max_images is None:
    max_images = _find_max_images(
      [positions], [weights], [cell], sigma, grid, band_limit
    )
  dtype = periodic.float_type(positions, cell)
  return _voxelize(
    periodic.split(positions, dtype),
    jnp.asarray(weights, dtype),
    None if cell is None else periodic.split(cell, dtype),
    jnp.asarray(sigma, dtype),
    grid=grid,
    max_images=max_images,
    band_limit=band_limit,
  )


def voxelize_batch(
  positions: Float[ArrayLike, 'B N 3'],
  weights: Num[ArrayLike, 'B N *C'],
  cell: Float[ArrayLike, 'B 3 3'] | None,
  *,
  grid: Grid,
  sigma: Float[ArrayLike, ''],
  max_images: int | None = None,
  band_limit: bool = False,
) -> Float[Array, 'B G G G *C']:
  """`voxelize` of a batch of crystals, in the form the platform likes.

  One after the other on a CPU, all at once on an accelerator.

  Args:
    positions: Cartesian positions, Å.
    weights: What each atom contributes; zero marks an empty slot.
    cell: Lattice vectors as rows, Å, or None.
    grid: Where the densities are sampled. Static.
    sigma: Standard deviation of one atom, Å, the same for all.
    max_images: Most images of any one crystal. Static. None: found here.
    band_limit: As in `voxelize`. Static.

  Returns:
    Weight per Å³, as from `voxelize`.

  Raises:
    ValueError: As `voxelize` does.
  """
  _check(positions, weights, cell, sigma, grid, max_images, band_limit, 1)
  if max_images is None:
    cells = [None] * len(positions) if cell is None else cell
    max_images = _find_max_images(
      positions, weights, cells, sigma, grid, band_limit
    )
  dtype = periodic.float_type(positions, cell)
  return _voxelize_batch(
    periodic.split(positions, dtype),
    jnp.asarray(weights, dtype),
    None if cell is None else periodic.split(cell, dtype),
    jnp.asarray(sigma, dtype),
    grid=grid,
    max_images=max_images,
    band_limit=band_limit,
  )


@functools.partial(
  jax.jit, static_argnames=('grid', 'max_images', 'band_limit')
)
def _voxelize_batch(positions, weights, cell, sigma, **static):
  one = functools.partial(_voxelize, sigma=sigma, **static)
  each = lambda args: one(*args)  # noqa: E731
  args = (positions, weights, cell)
  return jax.lax.platform_dependent(
    args,
    cpu=lambda args: jax.lax.map(each, args),
    default=jax.vmap(each),
  )


@functools.partial(
  jax.jit, static_argnames=('grid', 'max_images', 'band_limit')
)
def _voxelize(positions, weights, cell, sigma, *, grid, max_images, band_limit):
  shape = grid.shape + weights.shape[1:]
  if not weights.size:
    return jnp.zeros(shape, weights.dtype)
  weights = weights.reshape(len(weights), -1)
  filled = (weights != 0).any(-1)
  if isinstance(grid, BoxGrid):
    density = _images_sum(
      positions, weights, filled, cell, sigma, grid, max_images, _box_sum
    )
  else:
    args = (positions, weights, filled, cell, sigma)
    fourier = functools.partial(_fourier, grid=grid, max_images=max_images)
    direct = functools.partial(
      _images_sum, grid=grid, max_images=max_images, form=_cell_sum
    )
    if band_limit:
      density = fourier(*args)
    else:
      density = jax.lax.cond(
        periodic.resolves(grid, cell.value, sigma), fourier, direct, *args
      )
  return density.reshape(shape)


def _images_sum(
  positions, weights, filled, cell, sigma, grid, max_images, form
):
  """The sum over images, in the form that suits the grid."""
  images = periodic.find_images(
    positions.value,
    filled,
    None if cell is None else cell.value,
    grid=grid,
    reach=periodic.cutoff(sigma, weights.dtype),
    max_images=max_images,
  )
  where = periodic.place(images, positions, cell)
  norm = (2 * np.pi * sigma**2) ** -1.5
  weights = norm * jnp.where(images.filled[:, None], weights[images.atom], 0.0)
  density = form(where, weights, cell, sigma, grid)
  return jnp.where(images.complete, density, jnp.nan)


def _box_sum(where, weights, cell, sigma, grid):
  """A Gaussian is a product of three: one matrix product over the images."""
  del cell
  axis = jnp.asarray(grid.axis(), where.dtype)
  offset = axis[None, :, None] - where.T[:, None, :]
  x, y, z = jnp.exp(-0.5 * (offset / sigma) ** 2)  # [G, M] each
  right = (z[:, :, None] * weights[None]).swapaxes(0, 1)  # [M, G, C]

  @jax.checkpoint
  def plane(row):  # [M]
    return jnp.einsum('jm,mkc->jkc', row[None] * y, right, precision='highest')

  return jax.lax.map(plane, x)


def _cell_sum(where, weights, cell, sigma, grid):
  """Image by image over all voxels: slow, and right at any spacing."""
  axes = [jnp.arange(n, dtype=where.dtype) / n for n in grid.shape]
  steps = [a[:, None] * v[None] for a, v in zip(axes, cell.value, strict=True)]

  @jax.checkpoint
  def add(density, image):
    center, weight = image
    squares = 0.0
    for i in range(3):
      x, y, z = (step[:, i] for step in steps)
      offset = (x - center[i])[:, None, None] + y[None, :, None]
      squares += (offset + z[None, None, :]) ** 2
    atom = jnp.exp(-0.5 * squares / sigma**2)
    return density + atom[..., None] * weight[None, None, None], None

  empty = jnp.zeros((*grid.shape, weights.shape[1]), where.dtype)
  return jax.lax.scan(add, empty, (where, weights))[0]


def _fourier(positions, weights, filled, cell, sigma, *, grid, max_images):
  """Structure factors and an inverse FFT: each atom once, no images."""
  matrix = cell.value
  images = periodic.each_atom(
    positions.value, filled, matrix, max_images=max_images
  )
  where = periodic.place(images, positions, cell)
  weights = jnp.where(images.filled[:, None], weights[images.atom], 0.0)
  inverse = jnp.linalg.inv(matrix)
  fractional = jnp.matmul(where, inverse, precision='highest')

  # Half the spectrum is enough for a real density. At Nyquist of an even
  # count, +n/2 and -n/2 are one frequency; -n/2 stands for it on every axis.
  whole = [np.fft.fftfreq(n) * n for n in grid.shape]
  whole[2] = whole[2][: grid.shape[2] // 2 + 1]
  whole = [jnp.asarray(n, where.dtype) for n in whole]
  waves = [n[:, None] * inverse.T[i][None] for i, n in enumerate(whole)]
  squares = 0.0
  for component in range(3):
    x, y, z = (wave[:, component] for wave in waves)
    squares += (x[:, None, None] + y[None, :, None] + z[None, None]) ** 2
  envelope = jnp.exp(-2 * (np.pi * sigma) ** 2 * squares)

  x, y, z = (
    jnp.exp(-2j * np.pi * n[:, None] * fractional[:, i][None])
    for i, n in enumerate(whole)
  )
  factors = jnp.einsum(
    'xm,ym,zm,mc->cxyz', x, y, z, weights + 0j, precision='highest'
  )
  scale = np.prod(grid.shape) / jnp.abs(jnp.linalg.det(matrix))
  spectrum = jnp.fft.ifft2(factors * envelope[None], axes=(1, 2))
  density = jnp.fft.irfft(spectrum, grid.shape[2], axis=3) * scale
  return jnp.where(images.complete, jnp.moveaxis(density, 0, -1), jnp.nan)


def _find_max_images(positions, weights, cells, sigma, grid, band_limit):
  """What the largest of some crystals needs, rounded up to the ladder."""
  try:
    known = [np.asarray(jax.lax.stop_gradient(sigma))]
    for args in zip(positions, weights, cells, strict=True):
      known.append([_known(a) for a in args])
  except jax.errors.TracerArrayConversionError:
    raise ValueError(
      'Give voxelize max_images= inside jit, vmap or scan, where positions, '
      'cell and sigma have no values yet to find it from (count_images finds '
      'it outside).'
    ) from None
  sigma, *crystals = known
  most = 1
  for where, weight, cell in crystals:
    filled = (weight != 0).reshape(len(weight), -1).any(-1)
    most = max(
      most,
      filled.sum()
      if band_limit
      else count_images(where[filled], cell, grid=grid, sigma=sigma),
    )
  return periodic.ladder(int(most))


def _known(x) -> np.ndarray | None:
  """The value of an array, also under grad, where JAX hides it a little."""
  return None if x is None else np.asarray(jax.lax.stop_gradient(x))


def _check(
  positions, weights, cell, sigma, grid, max_images, band_limit, batch
):
  """Static mistakes, said by name."""
  batches = {np.shape(positions)[:batch], np.shape(weights)[:batch]}
  shape, slots = np.shape(positions)[batch:], np.shape(weights)[batch:]
  axes = 'B N 3' if batch else 'N 3'
  if len(shape) != 2 or shape[1] != 3:
    raise ValueError(f'Need positions [{axes}], not {np.shape(positions)}.')
  if len(slots) not in (1, 2) or slots[0] != shape[0]:
    raise ValueError(
      f'Need weights [N] or [N, C] for positions {np.shape(positions)}, not '
      f'{np.shape(weights)}.'
    )
  if cell is not None:
    batches.add(np.shape(cell)[:batch])
    if np.shape(cell)[batch:] != (3, 3):
      raise ValueError(f'Need a 3×3 cell, not {np.shape(cell)}.')
  if len(batches) > 1:
    raise ValueError(f'Batch sizes differ: {sorted(batches)}.')
  if not isinstance(grid, BoxGrid | CellGrid):
    raise ValueError(f'Need a BoxGrid or a CellGrid, not {grid!r}.')
  if isinstance(grid, CellGrid) and cell is None:
    raise ValueError('A CellGrid needs a cell; only a BoxGrid goes without.')
  if isinstance(grid, BoxGrid) and band_limit:
    raise ValueError('band_limit=True is for a CellGrid; a box has no bands.')
  if max_images is not None and not max_images >= 1:
    raise ValueError(f'Need a positive {max_images=}.')
  if np.shape(sigma) != ():
    raise ValueError(f'Need one sigma for all atoms, not {np.shape(sigma)}.')
  if isinstance(sigma, int | float | np.ndarray | np.generic) and not sigma > 0:
    raise ValueError(f'Need a positive {sigma=} in Å.')
