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
from crystal_jax.box_density import box_density, low_rank_basis
from crystal_jax.cell_density import direct_density, fourier_density
from crystal_jax.grids import BoxGrid, CellGrid, Grid, resolves
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
      positions, weights, cell, sigma, grid, band_limit
    )
  dtype = periodic.float_type(positions, cell)
  return _voxelize(
    periodic.split(positions, dtype),
    jnp.asarray(weights, dtype),
    None if cell is None else periodic.split(cell, dtype),
    jnp.asarray(sigma, dtype),
    _find_basis(sigma, grid, dtype),
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
    max_images = _find_max_images(
      positions, weights, cell, sigma, grid, band_limit
    )
  dtype = periodic.float_type(positions, cell)
  return _voxelize_batch(
    periodic.split(positions, dtype),
    jnp.asarray(weights, dtype),
    None if cell is None else periodic.split(cell, dtype),
    jnp.asarray(sigma, dtype),
    _find_basis(sigma, grid, dtype),
    grid=grid,
    max_images=max_images,
    band_limit=band_limit,
  )


@functools.partial(jax.jit, static_argnames=_STATIC)
def _voxelize_batch(positions, weights, cell, sigma, basis, **static):
  def one(args):
    return _voxelize(*args, sigma, basis, **static)

  args = (positions, weights, cell)
  # A CPU is fastest when one crystal's work stays in its cache.
  return jax.lax.platform_dependent(
    args, cpu=functools.partial(jax.lax.map, one), default=jax.vmap(one)
  )


@functools.partial(jax.jit, static_argnames=_STATIC)
def _voxelize(
  positions, weights, cell, sigma, basis, *, grid, max_images, band_limit
):
  shape = grid.shape + weights.shape[1:]
  if not weights.size:
    return jnp.zeros(shape, weights.dtype)
  weights = weights.reshape(len(weights), -1)
  filled = (weights != 0).any(-1)
  reach = periodic.cutoff(sigma, weights.dtype)
  normal = (2 * np.pi * sigma**2) ** -1.5
  matrix = None if cell is None else cell.value

  def take(images):
    """Where the images are and what they weigh; NaN if some are missing."""
    used = jnp.where(images.complete, images.filled * 1.0, jnp.nan)
    used = used.astype(weights.dtype)[:, None]
    return periodic.place(images, positions, cell), weights[images.atom] * used

  def near():
    return take(
      periodic.find_images(
        positions.value,
        filled,
        matrix,
        grid=grid,
        reach=reach,
        max_images=max_images,
      )
    )

  def box():
    centers, weights = near()
    return box_density(
      centers.value,
      weights * normal,
      sigma,
      reach=reach,
      basis=basis,
      grid=grid,
    )

  def direct():
    centers, weights = near()
    return direct_density(centers, weights * normal, cell, sigma, grid=grid)

  def fourier():
    images = periodic.each_atom(
      positions.value, filled, matrix, max_images=max_images
    )
    centers, weights = take(images)
    return fourier_density(
      centers.value, weights, matrix, sigma, grid=grid, whole=band_limit
    )

  if isinstance(grid, BoxGrid):
    density = box()
  elif band_limit:
    density = fourier()
  else:
    density = jax.lax.cond(resolves(grid, matrix, sigma), fourier, direct)
  return density.reshape(shape)


def _find_basis(sigma, grid, dtype) -> Float[Array, 'G Q'] | None:
  """What makes a box cheap, where sigma has a value."""
  try:
    sigma = float(_known(sigma))
  except jax.errors.TracerArrayConversionError:
    return None
  if not isinstance(grid, BoxGrid) or not np.isfinite(sigma):
    return None
  reach = float(periodic.cutoff(sigma, dtype))
  tolerance = 1e-9 if dtype == jnp.float64 else 2e-7
  basis = low_rank_basis(grid, sigma, reach, tolerance)
  return None if basis is None else jnp.asarray(basis, dtype)


def _find_max_images(positions, weights, cells, sigma, grid, band_limit):
  """What the largest of some crystals needs, rounded up to the ladder."""
  try:
    positions, cells, sigma = map(_known, (positions, cells, sigma))
  except jax.errors.TracerArrayConversionError:
    raise ValueError(
      'Give voxelize max_images= inside jit, vmap or scan, where positions, '
      'cell and sigma have no values yet to find it from (count_images finds '
      'it outside).'
    ) from None
  try:
    filled = _known(weights) != 0
  except jax.errors.TracerArrayConversionError:
    filled = np.ones(positions.shape[:-1], bool)
  if filled.ndim == positions.ndim:
    filled = filled.any(-1)
  if positions.ndim == 2:
    positions, filled = positions[None], filled[None]
    cells = None if cells is None else cells[None]
  most = 1
  for i, slots in enumerate(filled):
    atoms, cell = positions[i][slots], None if cells is None else cells[i]
    count = functools.partial(count_images, grid=grid, sigma=sigma)
    most = max(most, len(atoms) if band_limit else count(atoms, cell))
  return periodic.ladder(most)


def _known(x) -> np.ndarray | None:
  """The value of an array, also under grad, where JAX hides it a little."""
  if isinstance(x, jax.core.Tracer):
    x = jax.lax.stop_gradient(x)
  return None if x is None else np.asarray(x)


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
    known = isinstance(cell, np.ndarray) and np.isfinite(cell).all()
    if known and (np.linalg.det(cell) == 0).any():
      raise ValueError(f'Need a cell with a volume, not {cell.tolist()}.')
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
