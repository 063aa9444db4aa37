"""Densities of crystals: a Gaussian for each atom and periodic image.

`voxelize` is exact at the voxel's point, differentiable with respect to
positions, weights, cell and sigma, and works inside any JAX transformation.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from crystal_jax.density.arguments import (
  FROM_CRYSTAL,
  AtomArrays,
  DensityOptions,
  FromCrystal,
  check_arguments,
  to_atoms,
)
from crystal_jax.density.box_density import low_rank_basis
from crystal_jax.density.forms import atoms_density, batch_density
from crystal_jax.density.grids import BoxGrid, CellGrid, Grid
from crystal_jax.density.image_counts import (
  count_images,
  find_max_images,
  known,
)
from crystal_jax.density.inputs import as_numbers
from crystal_jax.density.separable_density import (
  is_separable,
  needs_double_nyquist,
)
from crystal_jax.density.split import float_type, split
from crystal_jax.structure.crystal import Crystal

__all__ = ['count_images', 'voxelize', 'voxelize_batch']


def voxelize(
  positions: Float[ArrayLike, 'N 3'] | Crystal,
  weights: Num[ArrayLike, 'N *C'] | FromCrystal = FROM_CRYSTAL,
  cell: Float[ArrayLike, '3 3'] | FromCrystal | None = FROM_CRYSTAL,
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
  atoms = to_atoms(positions, weights, cell)
  options = DensityOptions(grid, max_images, band_limit)
  return _checked(atoms_density, 2, atoms, sigma, options)


def voxelize_batch(
  positions: Float[ArrayLike, 'B N 3'] | Crystal,
  weights: Num[ArrayLike, 'B N *C'] | FromCrystal = FROM_CRYSTAL,
  cell: Float[ArrayLike, 'B 3 3'] | FromCrystal | None = FROM_CRYSTAL,
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
  atoms = to_atoms(positions, weights, cell)
  options = DensityOptions(grid, max_images, band_limit)
  return _checked(batch_density, 3, atoms, sigma, options)


def _checked(
  form, axes: int, atoms: AtomArrays, sigma, options: DensityOptions
):
  """Checks arguments and finds static options, outside of jit."""
  sigma = as_numbers('sigma', sigma)
  check_arguments(axes, atoms, sigma, options)
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


def _with_separable(
  options: DensityOptions, slots: int, cell, sigma
) -> DensityOptions:
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
