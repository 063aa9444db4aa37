"""Density of one crystal or a batch, by the fastest of three forms.

The forms sum over periodic images, over plane waves (reciprocal vectors), or,
in an orthogonal cell, over products of one factor for each axis.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from crystal_jax.density import images as periodic
from crystal_jax.density.box_density import box_density
from crystal_jax.density.cell_density import cell_density
from crystal_jax.density.grids import BoxGrid, Grid, resolves
from crystal_jax.density.separable_density import orthogonal_waves
from crystal_jax.density.split import Split
from crystal_jax.density.wave_density import box_waves, cell_waves, is_small

# Number of images in a box above which a sum over waves may be faster.
_MANY_IMAGES = 1024
_STATIC = ('grid', 'max_images', 'band_limit', 'separable', 'double_nyquist')


@functools.partial(jax.jit, static_argnames=_STATIC)
def atoms_density(
  positions: Split,
  weights: Float[Array, 'N *C'],
  cell: Split | None,
  sigma: Float[Array, ''],
  basis: Float[ArrayLike, 'G Q'] | None,
  *,
  grid: Grid,
  max_images: int,
  band_limit: bool,
  separable: bool,
  double_nyquist: bool,
) -> Float[Array, 'G G G *C']:
  """The density of one crystal, weight per Å³.

  Args:
    positions: Cartesian positions [N, 3], Å.
    weights: Weights of the atoms; 0: an empty slot.
    cell: Lattice vectors [3, 3] as rows, Å; None: no images.
    sigma: Standard deviation of one atom, Å.
    basis: Result of `box_density.low_rank_basis`.
    grid: Grid of the density.
    max_images: Maximum number of images.
    band_limit: See `voxelize`.
    separable: Whether the cell is orthogonal, so that axes separate.
    double_nyquist: See `separable_density`.

  Returns:
    The density; NaN everywhere if `max_images` is too small.
  """
  shape = grid.shape + weights.shape[1:]
  if not weights.size:
    return jnp.zeros(shape, weights.dtype)
  weights = weights.reshape(len(weights), -1)
  vectors: Any = None if cell is None else cell.value
  atoms = positions.value, (weights != 0).any(-1), vectors
  reach = periodic.cutoff(sigma, weights.dtype)
  is_box = isinstance(grid, BoxGrid)

  def density_of(images, form, **options):
    """The density of the images by one form; NaN if images are missing."""
    mask = jnp.where(images.complete, 1.0 * images.filled, jnp.nan)
    weight = weights[images.atom] * mask.astype(weights.dtype)[:, None]
    centers = periodic.place(images, positions, cell)
    return form(centers, weight, sigma, grid=grid, **options)

  def by_images():
    images = periodic.find_images(
      *atoms, grid=grid, reach=reach, max_images=max_images
    )
    if is_box:
      return density_of(images, box_density, reach=reach, basis=basis)
    return density_of(images, cell_density, cell=cell)

  def by_waves():
    images = periodic.each_atom(*atoms, max_images=max_images)
    form = box_waves if is_box else cell_waves
    return density_of(images, form, cell=cell)

  def by_axes():
    images = periodic.each_atom(*atoms, max_images=max_images)
    return density_of(
      images, orthogonal_waves, cell=cell, double_nyquist=double_nyquist
    )

  if separable:
    density = by_axes()
  elif band_limit:
    density = by_waves()
  elif is_box and (cell is None or max_images <= _MANY_IMAGES):
    density = by_images()
  else:
    # Under vmap both forms are computed and one is selected. The branches above
    # compute one form only.
    waves_suffice = (
      is_small(vectors, sigma)
      if isinstance(grid, BoxGrid)
      else resolves(grid, vectors, sigma)
    )
    density = jax.lax.cond(waves_suffice, by_waves, by_images)
  return density.reshape(shape)


@functools.partial(jax.jit, static_argnames=_STATIC)
def batch_density(
  positions: Split,
  weights: Float[Array, 'B N *C'],
  cell: Split | None,
  sigma: Float[Array, ''],
  basis: Float[ArrayLike, 'G Q'] | None,
  **static: Any,
) -> Float[Array, 'B G G G *C']:
  """`atoms_density` of each crystal of a batch.

  Args:
    positions: Cartesian positions [B, N, 3], Å.
    weights: Weights of the atoms; 0: an empty slot.
    cell: Lattice vectors [B, 3, 3] as rows, Å; None: no images.
    sigma: Standard deviation of one atom, Å, in all crystals.
    basis: Result of `box_density.low_rank_basis`, for all crystals.
    **static: Keyword arguments of `atoms_density`.
  """

  def one(crystal):
    return atoms_density(*crystal, sigma, basis, **static)

  # A CPU is fastest when one crystal's work stays in its cache.
  one_by_one = functools.partial(jax.lax.map, one)
  vectorized = functools.partial(jax.lax.map, one, batch_size=32)
  return jax.lax.platform_dependent(
    (positions, weights, cell), cpu=one_by_one, default=vectorized
  )
