"""Densities of atoms in several exact forms, of which the fastest is taken.

A density is a sum over images, over waves, or a product of one sum for each
axis.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from crystal_jax.density import images as periodic
from crystal_jax.density.box_density import box_density
from crystal_jax.density.cell_density import cell_density
from crystal_jax.density.grids import BoxGrid, resolves
from crystal_jax.density.separable_density import (
  orthogonal_waves,
)
from crystal_jax.density.wave_density import box_waves, cell_waves, is_small

# Number of images in a box above which a sum over waves may be faster.
_MANY_IMAGES = 1024
_STATIC = ('grid', 'max_images', 'band_limit', 'separable', 'double_nyquist')


@functools.partial(jax.jit, static_argnames=_STATIC)
def atoms_density(
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
) -> Float[Array, 'G G G *C']:
  """The density of one crystal.

  Args:
    positions: `Split` of Cartesian positions [N, 3], Å.
    weights: Weights [N] or [N, C].
    cell: `Split` of lattice vectors as rows, Å; None: no images.
    sigma: Standard deviation of one atom, Å.
    basis: See `box_density.low_rank_basis`; None: none.
    grid: Grid of the density.
    max_images: Maximum number of images.
    band_limit: See `voxelize`.
    separable: Whether the cell is orthogonal, so that axes separate.
    double_nyquist: See `separable_density`.
  """
  shape = grid.shape + weights.shape[1:]
  if not weights.size:
    return jnp.zeros(shape, weights.dtype)
  weights = weights.reshape(len(weights), -1)
  vectors: Any = None if cell is None else cell.value
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


@functools.partial(jax.jit, static_argnames=_STATIC)
def batch_density(positions, weights, cell, sigma, basis, **static):
  """`atoms_density` of a batch; sigma and basis are the same for all."""

  def one(args):
    return atoms_density(*args, sigma, basis, **static)

  args = (positions, weights, cell)
  # A CPU is fastest when one crystal's work stays in its cache.
  together = functools.partial(jax.lax.map, one, batch_size=32)
  return jax.lax.platform_dependent(
    args, cpu=functools.partial(jax.lax.map, one), default=together
  )
