"""Which species a voxel belongs to: the target of the species network.

A voxel within `radius` of an atom, or of one of its periodic images, carries
the atomic number of the nearest one; every other voxel is background, 0.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from crystal_jax import grids
from crystal_jax import images as periodic
from crystal_jax.grids import CellGrid, Grid

# Squared distances closer than this (Å²) are a tie: rounding makes no choice.
_TIE = 2e-6


def label_species(
  positions: Float[ArrayLike, 'N 3'],
  numbers: Int[ArrayLike, 'N'],
  cell: Float[ArrayLike, '3 3'] | None,
  *,
  grid: Grid,
  radius: float = 0.65,
  max_images: int | None = None,
) -> Int[Array, 'G G G']:
  """The atomic number of the nearest atom within `radius` of each voxel.

  Args:
    positions: Cartesian positions, Å.
    numbers: Atomic numbers; 0 marks an empty slot.
    cell: Lattice vectors as rows, Å. None: no images (BoxGrid only).
    grid: Where the labels are wanted. Static.
    radius: Farthest distance from an atom, Å.
    max_images: Most images that may reach the grid. Static. None: found here,
      which needs concrete positions and cell.

  Returns:
    int32 labels, 0 for background. A tie goes to the lower index. -1
    everywhere if `max_images` was too small or a number not finite.

  Raises:
    ValueError: As `voxelize` does.
  """
  if np.shape(positions) != (*np.shape(numbers), 3):
    raise ValueError(
      f'Need positions [N, 3] and numbers [N], not {np.shape(positions)} and '
      f'{np.shape(numbers)}.'
    )
  if isinstance(grid, CellGrid) and cell is None:
    raise ValueError('A CellGrid needs a cell; only a BoxGrid goes without.')
  if isinstance(radius, int | float) and not radius > 0:
    raise ValueError(f'Need a positive {radius=} in Å.')
  if max_images is None:
    max_images = _find_max_images(positions, numbers, cell, grid, radius)
  dtype = periodic.float_type(positions, cell)
  return _label(
    periodic.split(positions, dtype),
    jnp.asarray(numbers, jnp.int32),
    None if cell is None else periodic.split(cell, dtype),
    jnp.asarray(radius, dtype),
    grid=grid,
    max_images=max_images,
  )


@functools.partial(jax.jit, static_argnames=('grid', 'max_images'))
def _label(positions, numbers, cell, radius, *, grid, max_images):
  if not numbers.size:
    return jnp.zeros(grid.shape, jnp.int32)
  # Labels are whole numbers; their derivative is zero and never computed.
  positions, cell, radius = jax.lax.stop_gradient((positions, cell, radius))
  images = periodic.find_images(
    positions.value,
    numbers != 0,
    None if cell is None else cell.value,
    grid=grid,
    reach=radius,
    max_images=max_images,
  )
  centers = periodic.place(images, positions, cell).value
  labels = jnp.where(images.filled, numbers[images.atom], 0)
  points = grids.points(grid, None if cell is None else cell.value)
  x, y, z = jnp.moveaxis(points.astype(centers.dtype), -1, 0)

  def nearer(i, carry):
    label, nearest = carry
    center, number = centers[i], labels[i]
    squares = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2
    closer = (squares < nearest) & (squares <= radius**2) & (number > 0)
    nearest = jnp.where(closer, squares - _TIE, nearest)
    return jnp.where(closer, number, label), nearest

  start = (
    jnp.zeros(grid.shape, jnp.int32),
    jnp.full(grid.shape, jnp.inf, x.dtype),
  )
  # Filled slots come first: no time goes into empty ones.
  label, _ = jax.lax.fori_loop(0, images.filled.sum(), nearer, start)
  return jnp.where(images.complete, label, -1)


def _find_max_images(positions, numbers, cell, grid, radius) -> int:
  """What this crystal needs, rounded up to the ladder."""
  try:
    positions, numbers, radius = map(np.asarray, (positions, numbers, radius))
    cell = None if cell is None else np.asarray(cell)
  except jax.errors.TracerArrayConversionError:
    raise ValueError(
      'Give label_species max_images= inside jit, vmap or scan, where the '
      'positions have no values yet to find it from.'
    ) from None
  count = periodic.count_reaching(
    positions[numbers != 0], cell, grid=grid, reach=float(radius)
  )
  return periodic.ladder(count)
