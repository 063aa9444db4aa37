"""Periodic images of atoms that reach a grid.

An image is an atom moved by a lattice translation, `position + translation @
cell`; it counts if it lies within `reach` of the grid. Choosing images yields
integers (an atom's index, three whole numbers), which have no derivatives;
derivatives pass through their positions (`place`).

Shapes are static under jit, so the images fill `max_images` slots and the other
slots stay empty. `complete` is False when not all images fit.
"""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from crystal_jax.density.grids import BoxGrid, Grid
from crystal_jax.density.precision import dot
from crystal_jax.density.split import Split
from crystal_jax.structure import lattice


class Images(NamedTuple):
  """Chosen images, in the order of their atoms.

  Attributes:
    atom: Index of the atom.
    translation: Integer translation of the image, in lattice vectors.
    filled: Whether the slot holds an image.
    complete: Whether all images fit into the slots, and all inputs are finite.
  """

  atom: Int[Array, 'M']
  translation: Int[Array, 'M 3']
  filled: Bool[Array, 'M']
  complete: Bool[Array, '']


_Scalar = TypeVar('_Scalar', Array, float)


def cutoff(sigma: _Scalar, dtype: DTypeLike) -> _Scalar:
  """Distance beyond which an atom is left out, Å: 4e-7 of its peak."""
  return (7.0 if dtype == jnp.float64 else 5.5) * sigma


def find_images(
  positions: Float[Array, 'N 3'],
  filled: Bool[Array, 'N'],
  cell: Float[Array, '3 3'] | None,
  *,
  grid: Grid,
  reach: Float[ArrayLike, ''],
  max_images: int,
) -> Images:
  """The images of filled slots that lie within `reach` of the grid.

  All images of an atom lie on lines along the lattice vector with most images
  near the grid. Lines are listed first; the grid's walls cut each to an
  interval of whole numbers.

  Args:
    positions: Cartesian positions, Å.
    filled: Which slots hold an atom; the others take no image slot.
    cell: Lattice vectors as rows, Å; None: no images, each atom once.
    grid: The grid to reach. Static.
    reach: Largest distance of an image from the grid along each axis, Å.
    max_images: Number of slots. Static.
  """
  positions, cell, reach = jax.lax.stop_gradient((positions, cell, reach))
  if cell is None:
    if not isinstance(grid, BoxGrid):
      raise ValueError('A CellGrid needs a cell.')
    far = jnp.abs(positions) > grid.length / 2 + reach  # False for NaN
    return _once(positions, filled & ~far.any(-1), max_images)
  inverse = lattice.invert(cell)
  fractional = dot(positions, inverse)
  order, across, lines = frame_lines(cell, inverse, grid, reach, jnp)
  shifted = fractional[:, order]

  across = jnp.clip(across, 1, 2**15).astype(jnp.int32)
  each = jnp.minimum(across[1] * across[2], 2**18)
  atom, rank, used, wanted = _expand(
    jnp.where(filled, each, 0), 2 * max_images + 4 * len(filled)
  )
  rest, start, counts = cut_lines(shifted[atom], rank, across, lines, jnp)
  fits = wanted <= len(atom)

  counts = jnp.where(used, counts, 0).astype(jnp.int32)
  line, rank, used, total = _expand(counts, max_images)
  steps = jnp.concatenate([(start[line] + rank)[:, None], rest[line]], -1)
  steps = steps[:, jnp.argsort(order)].astype(jnp.int32)
  finite = jnp.isfinite(jnp.where(filled[:, None], fractional, 0.0)).all()
  return Images(atom[line], steps, used, finite & fits & (total <= max_images))


def each_atom(
  positions: Float[Array, 'N 3'],
  filled: Bool[Array, 'N'],
  cell: Float[Array, '3 3'],
  *,
  max_images: int,
) -> Images:
  """Every filled slot once, in the unit cell, for sums over frequencies."""
  inverse = lattice.invert(jax.lax.stop_gradient(cell))
  fractional = dot(jax.lax.stop_gradient(positions), inverse)
  images = _once(fractional, filled, max_images)
  return images._replace(translation=-jnp.floor(fractional).astype(jnp.int32))


def place(images: Images, positions: Split, cell: Split | None) -> Split:
  """Cartesian positions [M, 3] of the images, Å; zero in unused slots."""

  def part(position, vectors):
    moved = position[images.atom]
    if vectors is not None:
      moved += dot(images.translation.astype(moved.dtype), vectors)
    return jnp.where(images.filled[:, None], moved, 0.0)

  return Split(*map(part, positions, cell or (None, None)))


def _once(positions, filled, max_images):
  """Each filled slot at its own position."""
  finite = jnp.isfinite(jnp.where(filled[:, None], positions, 0.0)).all()
  still = jnp.zeros(positions.shape, jnp.int32)
  complete = finite & (filled.sum() <= max_images)
  return Images(jnp.arange(len(filled)), still, filled, complete)


def frame_lines(cell, inverse, grid, reach, xp):
  """The lines that images may lie on, and the walls that cut them.

  Returns:
    The order of the lattice vectors, the one with most images first; the most
    steps along each; and arguments of `cut_lines`: these vectors in coordinates
    across the walls, the walls (low, high) in the same coordinates, and the
    first steps, in fractional coordinates.
  """
  if isinstance(grid, BoxGrid):
    half = xp.full(3, grid.length / 2 + reach, inverse.dtype)
    extent = half * xp.abs(inverse).sum(0)
    walls, bounds, vectors = (-half, half), (-extent, extent), cell
  else:
    extent = reach * xp.linalg.norm(inverse, axis=0)
    last = 1 - 1 / np.array(grid.shape, inverse.dtype)
    walls = bounds = (-extent, last + extent)
    vectors = xp.eye(3, dtype=inverse.dtype)
  order = xp.argsort(bounds[0] - bounds[1])
  first, last = (b[order] for b in bounds)
  return order, xp.floor(last - first) + 1, (vectors[order], walls, first)


def cut_lines(offset, rank, across, lines, xp):
  """The interval of whole steps of each line between the walls.

  Args:
    offset: Fractional coordinates [L, 3] of each line's atom.
    rank: Index of each line among those of its atom, [L].
    across: Number of steps along each vector, [3].
    lines: Result of `frame_lines`.
    xp: NumPy or jax.numpy.

  Returns:
    Steps [L, 2] along the second and third vector, the first step [L] along
    the first vector, and the number of steps [L].
  """
  vectors, walls, first = lines
  rest = xp.stack([rank % across[1], rank // across[1]], -1)
  rest = rest + xp.ceil(first[None] - offset)[:, 1:]
  base = ((offset[:, 1:] + rest)[..., None] * vectors[None, 1:]).sum(1)
  along = xp.where(xp.abs(vectors[0]) < 1e-9, 1e-9, vectors[0])[None]
  enter, leave = ((wall[None] - base) / along for wall in walls)
  start = xp.ceil(xp.minimum(enter, leave).max(-1) - offset[:, 0])
  stop = xp.floor(xp.maximum(enter, leave).min(-1) - offset[:, 0])
  return rest, start, xp.clip(stop - start + 1, 0, 2**15)


def _expand(counts: Int[Array, 'K'], slots: int):
  """Slots in a row for counts[0] times item 0, counts[1] times item 1, ..

  Returns:
    The item of each slot, its rank among those of the item, whether the slot
    is used, and how many slots were wanted.
  """
  ends = jnp.cumsum(counts.astype(jnp.int32))
  slot = jnp.arange(slots, dtype=jnp.int32)
  # The item of a slot is the number of items that end at or before it.
  ended = jnp.zeros(slots, jnp.int32).at[ends].add(1, mode='drop')
  item = jnp.minimum(jnp.cumsum(ended), len(counts) - 1)
  rank = slot - (ends - counts)[item]
  return item, rank, slot < ends[-1], ends[-1]
