"""Species labels of voxels: the target of the species network.

A voxel within `radius` of an atom, or of one of its periodic images, carries
the atomic number of the nearest one; every other voxel is background, 0.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from crystal_jax.density import grids, image_counts
from crystal_jax.density import images as periodic
from crystal_jax.density.grids import CellGrid, Grid
from crystal_jax.density.inputs import as_numbers
from crystal_jax.density.split import float_type, split

# Largest distance of a labelled voxel from its atom, Å, as in the paper.
LABEL_RADIUS = 0.65

# Squared distances that differ by less than this are equal, Å², so that
# rounding does not decide between two atoms.
_TIE = 2e-6


def label_species(
  positions: Float[ArrayLike, 'N 3'],
  numbers: Int[ArrayLike, 'N'],
  cell: Float[ArrayLike, '3 3'] | None,
  *,
  grid: Grid,
  radius: float = LABEL_RADIUS,
  max_images: int | None = None,
) -> Int[Array, 'G G G']:
  """The atomic number of the nearest atom within `radius` of each voxel.

  Args:
    positions: Cartesian positions, Å.
    numbers: Atomic numbers; 0 marks an empty slot.
    cell: Lattice vectors as rows, Å. None: no images (BoxGrid only).
    grid: The grid. Static.
    radius: Largest distance of a labelled voxel from its atom, Å.
    max_images: Maximum number of images that may reach the grid. Static. None:
      found here, which needs concrete positions and cell.

  Returns:
    int32 labels, 0 for background. A tie goes to the lower index. -1
    everywhere if `max_images` was too small or a number not finite.

  Raises:
    ValueError: As `voxelize` does.
  """
  positions = as_numbers('positions', positions)
  numbers = as_numbers('numbers', numbers)
  cell = None if cell is None else as_numbers('cell', cell)
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
    max_images = image_counts.find_max_images(
      functools.partial(image_counts.count_reaching, grid=grid),
      positions,
      numbers,
      cell,
      radius,
    )
  dtype = float_type(positions, cell)
  return _label(
    split(positions, dtype),
    jnp.asarray(numbers, jnp.int32),
    None if cell is None else split(cell, dtype),
    jnp.asarray(radius, dtype),
    grid=grid,
    max_images=max_images,
    voxels=_across(radius, grid),
  )


@functools.partial(jax.jit, static_argnames=('grid', 'max_images', 'voxels'))
def _label(positions, numbers, cell, radius, *, grid, max_images, voxels):
  if not numbers.size:
    return jnp.zeros(grid.shape, jnp.int32)
  # Labels are whole numbers, whose derivative is zero.
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
  near = _window(grid, cell, radius, voxels, centers.dtype)

  def nearer(i, state):  # label and squared distance of each voxel
    corner, squares = near(centers[i])
    corner = (0, *corner)
    old = jax.lax.dynamic_slice(state, corner, (2, *squares.shape))
    closer = (squares < old[1]) & (squares <= radius**2) & (labels[i] > 0)
    label = jnp.full_like(squares, labels[i])
    new = jnp.where(closer[None], jnp.stack([label, squares - _TIE]), old)
    return jax.lax.dynamic_update_slice(state, new, corner)

  far = jnp.full(grid.shape, jnp.inf, centers.dtype)
  state = jnp.stack([jnp.zeros_like(far), far])
  # Filled slots come first, so that empty ones take no time.
  state = jax.lax.fori_loop(0, images.filled.sum(), nearer, state)
  return jnp.where(images.complete, state[0].astype(jnp.int32), -1)


def _across(radius, grid) -> int | None:
  """Voxels along the diameter of a label and two to spare, or all of them."""
  if isinstance(grid, CellGrid):
    return None
  if isinstance(radius, jax.core.Tracer):
    return grid.size
  return min(grid.size, int(2 * radius / grid.spacing) + 3)


def _window(grid, cell, radius, voxels, dtype):
  """Squared distances of voxels from an atom, and the window they are in.

  In a box the window is a cube of `voxels` a side around the atom, or at the
  walls; on a cell's grid, whose cell is not static, it is the whole grid.
  """
  if isinstance(grid, CellGrid):
    x, y, z = jnp.moveaxis(grids.points(grid, cell.value), -1, 0)

    def near(center):
      offsets = x - center[0], y - center[1], z - center[2]
      return (0, 0, 0), sum(offset**2 for offset in offsets)

    return near
  axis = jnp.asarray(grid.axis(), dtype)

  def near(center):
    corner = jnp.floor((center - radius - axis[0]) / grid.spacing)
    corner = jnp.clip(corner, 0, grid.size - voxels).astype(jnp.int32)
    x, y, z = (
      (jax.lax.dynamic_slice(axis, (corner[i],), (voxels,)) - center[i]) ** 2
      for i in range(3)
    )
    squares = x[:, None, None] + y[None, :, None] + z[None, None]
    return tuple(corner), squares

  return near
