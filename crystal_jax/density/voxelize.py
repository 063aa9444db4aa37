"""Densities of crystals: a Gaussian for each atom and periodic image.

`voxelize` is exact at the voxel's point, differentiable with respect to
positions, weights, cell and sigma, and works inside any JAX transformation.
"""

from __future__ import annotations

import enum
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from crystal_jax.density import images as periodic
from crystal_jax.density.box_density import box_density, low_rank_basis
from crystal_jax.density.cell_density import cell_density
from crystal_jax.density.grids import BoxGrid, CellGrid, Grid, resolves
from crystal_jax.density.image_counts import (
  count_images,
  find_max_images,
  known,
)
from crystal_jax.density.inputs import as_numbers
from crystal_jax.density.separable_density import (
  is_separable,
  needs_double_nyquist,
  orthogonal_waves,
)
from crystal_jax.density.split import float_type, split
from crystal_jax.density.wave_density import box_waves, cell_waves, is_small
from crystal_jax.structure.crystal import Crystal

# Number of images in a box above which a sum over waves may be faster.
_MANY_IMAGES = 1024
_STATIC = ('grid', 'max_images', 'band_limit', 'separable', 'double_nyquist')


class _FromCrystal(enum.Enum):
  """The default of an argument that a Crystal brings along."""

  TOKEN = 0


_FROM_CRYSTAL = _FromCrystal.TOKEN

__all__ = ['count_images', 'voxelize', 'voxelize_batch']


def voxelize(
  positions: Float[ArrayLike, 'N 3'] | Crystal,
  weights: Num[ArrayLike, 'N *C'] | _FromCrystal = _FROM_CRYSTAL,
  cell: Float[ArrayLike, '3 3'] | _FromCrystal | None = _FROM_CRYSTAL,
  *,
  grid: Grid,
  sigma: Float[ArrayLike, ''],
  max_images: int | None = None,
  band_limit: bool = False,
) -> Float[Array, 'G G G *C']:
  """Density of Gaussian atoms, and of all their periodic images, on a grid.

  M(r) = Σ_m w_m (2πσ²)^(-3/2) exp(-|r - r_m|² / 2σ²)

  `voxelize(crystal, grid=.., sigma=..)` takes a Crystal in place of its
  positions, weights (the atomic numbers) and cell. `weights` or `cell` given
  beside it replace the crystal's own.

  Args:
    positions: Cartesian positions, Å. Any real value; images make the wrap.
      Or a Crystal.
    weights: Weight of each atom: its atomic number, or C channels. A
      zero marks an empty slot.
    cell: Lattice vectors as rows, Å. None: no images (isolated atoms).
    grid: Grid of the density. Static.
    sigma: Standard deviation of one atom, Å.
    max_images: Maximum number of images that may reach the grid. Static. None:
      found here, which needs concrete positions, cell and sigma.
    band_limit: Only what the grid resolves: Fourier coefficients up to the
      Nyquist frequency (CellGrid only). Static. Fastest where cell and sigma
      have values (are not traced) and the cell is orthogonal.

  Returns:
    Weight per Å³, float32 (float64 for float64 input in x64 mode). NaN
    everywhere if `max_images` was too small for the form chosen (a sum over
    waves needs a slot for each atom only).

  Raises:
    ValueError: If an argument holds no real numbers, shapes disagree, a
      CellGrid comes without a cell, or `max_images` is None under a
      transformation that hides the positions.

  References:
    Hoffmann et al., arXiv:1909.00949.
  """
  atoms = _atoms(positions, weights, cell)
  options = _Options(grid, max_images, band_limit)
  return _checked(_voxelize, 2, atoms, sigma, options)


def voxelize_batch(
  positions: Float[ArrayLike, 'B N 3'] | Crystal,
  weights: Num[ArrayLike, 'B N *C'] | _FromCrystal = _FROM_CRYSTAL,
  cell: Float[ArrayLike, 'B 3 3'] | _FromCrystal | None = _FROM_CRYSTAL,
  *,
  grid: Grid,
  sigma: Float[ArrayLike, ''],
  max_images: int | None = None,
  band_limit: bool = False,
) -> Float[Array, 'B G G G *C']:
  """`voxelize` of a batch of crystals, by a loop or vmap as the platform needs.

  One after the other on a CPU, 32 at once on an accelerator.

  Arguments, result and errors are those of `voxelize`; sigma is the same for
  all, and `max_images` enough for the largest. A Crystal is a stacked one, with
  a leading batch axis in each array.
  """
  atoms = _atoms(positions, weights, cell)
  options = _Options(grid, max_images, band_limit)
  return _checked(_voxelize_batch, 3, atoms, sigma, options)


class _Atoms(NamedTuple):
  """Atoms of one crystal or a batch, as arguments of `voxelize`."""

  positions: Array | np.ndarray
  weights: Array | np.ndarray
  cell: Array | np.ndarray | None


class _Options(NamedTuple):
  """Static options of a density."""

  grid: Grid
  max_images: int | None
  band_limit: bool
  separable: bool = False
  double_nyquist: bool = False


def _atoms(positions, weights, cell) -> _Atoms:
  """Arrays of real numbers, those of a Crystal where they are not given."""
  if isinstance(positions, Crystal):
    crystal = positions
    positions = crystal.positions
    weights = crystal.numbers if weights is _FROM_CRYSTAL else weights
    cell = crystal.cell if cell is _FROM_CRYSTAL else cell
  elif weights is _FROM_CRYSTAL or cell is _FROM_CRYSTAL:
    raise ValueError(
      'Need positions, weights and cell (None for isolated atoms), or a '
      f'Crystal in their place, not {type(positions).__name__} alone.'
    )
  return _Atoms(
    as_numbers('positions', positions),
    as_numbers('weights', weights),
    None if cell is None else as_numbers('cell', cell),
  )


def _checked(form, axes: int, atoms: _Atoms, sigma, options: _Options):
  """Checks arguments and finds static options, outside of jit."""
  sigma = as_numbers('sigma', sigma)
  _check(axes, atoms, sigma, options)
  positions, weights, cell = atoms
  grid, max_images, band_limit, *_ = options

  if max_images is None and band_limit:
    max_images = np.shape(positions)[-2]  # each atom once
  elif max_images is None:
    max_images = find_max_images(
      lambda atoms, cell, s: count_images(atoms, cell, grid=grid, sigma=s),
      *(positions, weights, cell, sigma),
    )
  options = options._replace(max_images=max_images)
  if band_limit:
    options = _with_separable(options, np.shape(positions)[-2], cell, sigma)
  dtype = float_type(positions, cell)
  width, basis = _value(sigma), None
  if width is not None and isinstance(grid, BoxGrid):
    basis = low_rank_basis(grid, width, max_images, dtype)
  return form(
    split(positions, dtype),
    jnp.asarray(weights, dtype),
    None if cell is None else split(cell, dtype),
    jnp.asarray(sigma, dtype),
    basis,
    **options._asdict(),
  )


def _with_separable(options: _Options, slots: int, cell, sigma) -> _Options:
  """The separable form where it is exact.

  Derivatives by the cell need its angles, and under jit an orthogonal cell is
  not known to be one: both keep the sum over all waves.
  """
  width, grid = _value(sigma), options.grid
  traced = isinstance(cell, jax.core.Tracer)
  if width is None or traced or not isinstance(grid, CellGrid):
    return options
  cell = np.asarray(cell)
  if not is_separable(cell, slots, width):
    return options
  double = needs_double_nyquist(cell, width, grid)
  return options._replace(separable=True, double_nyquist=double)


def _value(sigma) -> float | None:
  """Sigma as a number; None if it is traced."""
  values = known(sigma)
  return None if values is None else float(np.asarray(values[0]))


@functools.partial(jax.jit, static_argnames=_STATIC)
def _voxelize_batch(positions, weights, cell, sigma, basis, **static):
  def one(args):
    return _voxelize(*args, sigma, basis, **static)

  args = (positions, weights, cell)
  # A CPU is fastest when one crystal's work stays in its cache.
  together = functools.partial(jax.lax.map, one, batch_size=32)
  return jax.lax.platform_dependent(
    args, cpu=functools.partial(jax.lax.map, one), default=together
  )


@functools.partial(jax.jit, static_argnames=_STATIC)
def _voxelize(
  positions,
  weights,
  cell,
  sigma,
  basis,
  *,
  grid,
  max_images,
  band_limit,
  separable,
  double_nyquist,
):
  shape = grid.shape + weights.shape[1:]
  if not weights.size:
    return jnp.zeros(shape, weights.dtype)
  weights = weights.reshape(len(weights), -1)
  vectors = None if cell is None else cell.value
  atoms = positions.value, (weights != 0).any(-1), vectors
  reach = periodic.cutoff(sigma, weights.dtype)
  box = isinstance(grid, BoxGrid)

  def total(form, images, **options):
    """The density of the images by one form; NaN if some are missing."""
    used = jnp.where(images.complete, 1.0 * images.filled, jnp.nan)
    weight = weights[images.atom] * used.astype(weights.dtype)[:, None]
    centers = periodic.place(images, positions, cell)
    return form(centers, weight, sigma, grid=grid, **options)

  def by_images():
    images = periodic.find_images(
      *atoms, grid=grid, reach=reach, max_images=max_images
    )
    if box:
      return total(box_density, images, reach=reach, basis=basis)
    return total(cell_density, images, cell=cell)

  def by_waves():
    images = periodic.each_atom(*atoms, max_images=max_images)
    return total(box_waves if box else cell_waves, images, cell=cell)

  def by_axes():
    images = periodic.each_atom(*atoms, max_images=max_images)
    return total(
      orthogonal_waves, images, cell=cell, double_nyquist=double_nyquist
    )

  if separable:
    density = by_axes()
  elif band_limit:
    density = by_waves()
  elif box and (cell is None or max_images <= _MANY_IMAGES):
    density = by_images()
  else:
    # Under vmap both are computed and one is kept; `band_limit=True`, and a box
    # with few images, have one form.
    holds = is_small(vectors, sigma) if box else resolves(grid, vectors, sigma)
    density = jax.lax.cond(holds, by_waves, by_images)
  return density.reshape(shape)


def _check(axes: int, atoms: _Atoms, sigma, options: _Options):
  """Refuses arguments that are wrong by their shapes or static values."""
  positions, weights, cell = atoms
  grid, max_images, band_limit, *_ = options
  shape, slots = np.shape(positions), np.shape(weights)
  square = cell is None or np.shape(cell) == (*shape[:-2], 3, 3)
  box = isinstance(grid, BoxGrid)
  number = isinstance(sigma, np.ndarray)
  names = 'N 3' if axes == 2 else 'B N 3'

  def need(holds, what):
    if not holds:
      raise ValueError(f'Need {what}.')

  fits = len(shape) == axes and shape[-1] == 3
  need(fits, f'positions [{names}], not {shape}')
  fits = slots[: axes - 1] == shape[:-1] and len(slots) in (axes - 1, axes)
  need(fits, f'weights [N] or [N, C] for positions {shape}, not {slots}')
  if cell is not None:
    need(square, f'a 3×3 cell for positions {shape}, not {np.shape(cell)}')
  if isinstance(cell, np.ndarray) and np.isfinite(cell).all():
    flat = bool((np.linalg.det(cell) == 0).any())
  else:
    flat = False
  need(not flat, 'a cell with a volume; this one is flat')
  need(box or isinstance(grid, CellGrid), f'a BoxGrid or CellGrid, not {grid}')
  need(box or cell is not None, 'a cell for a CellGrid')
  need(not (box and band_limit), 'a CellGrid for band_limit=True')
  need(max_images is None or max_images >= 1, f'a positive {max_images=}')
  need(np.shape(sigma) == (), f'one sigma for all, not {np.shape(sigma)}')
  need(not number or np.all(sigma > 0), f'a positive sigma in Å, not {sigma}')
