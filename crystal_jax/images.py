"""Periodic images: which copies of which atoms reach a grid.

A crystal repeats without end, a grid sees a part of it. An image is an atom
moved by a lattice translation, `position + translation @ cell`; it counts if
it lies within `reach` of the grid. Choosing the images yields integers (an
atom's index, three whole numbers), so nothing is differentiated here; placing
them (`place`) is where derivatives pass.

Shapes are static under jit, so the images fill `max_images` slots and the
rest stay empty. `complete` is False when they did not all fit.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from crystal_jax.grids import BoxGrid, CellGrid, Grid, resolves

# Coordinates are split into whole multiples of this, which add up without
# rounding in float32 for some 65,000 Å, and a small rest.
_QUANTUM = 2.0**-8


class Images(NamedTuple):
  """Chosen images, in the order of their atoms.

  Attributes:
    atom: Index of the atom.
    translation: Whole lattice vectors to move it by.
    filled: Whether the slot holds an image.
    complete: Whether all images fit, and every number was finite.
  """

  atom: Int[Array, 'M']
  translation: Int[Array, 'M 3']
  filled: Bool[Array, 'M']
  complete: Bool[Array, '']


class Split(NamedTuple):
  """A coordinate in Å as coarse + fine, so that sums keep the last digits."""

  coarse: Float[Array, '*S']
  fine: Float[Array, '*S']

  @property
  def value(self) -> Float[Array, '*S']:
    """The coordinate itself, rounded."""
    return self.coarse + self.fine


def split(x: Float[ArrayLike, '*S'], dtype: jnp.dtype) -> Split:
  """Splits a coordinate; NumPy's float64 keeps its precision in float32."""
  traced = isinstance(x, jax.Array)
  x = x.astype(dtype) if traced else np.asarray(x, np.float64)
  coarse = quantize(x)
  return Split(jnp.asarray(coarse, dtype), jnp.asarray(x - coarse, dtype))


def quantize(x: Float[ArrayLike, '*S']) -> Float[ArrayLike, '*S']:
  """The nearest whole multiple of the quantum, a constant to derivatives."""
  if isinstance(x, np.ndarray):
    return np.round(x / _QUANTUM) * _QUANTUM
  return jax.lax.stop_gradient(jnp.round(x / _QUANTUM) * _QUANTUM)


def float_type(*arrays: ArrayLike | None) -> jnp.dtype:
  """float32, or float64 where x64 mode is on and an array has it."""
  types = [jnp.result_type(a) for a in arrays if a is not None]
  return jnp.result_type(jnp.float32, *types)


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

  Args:
    positions: Cartesian positions, Å.
    filled: Which slots hold an atom; the others take no image slot.
    cell: Lattice vectors as rows, Å; None: no images, each atom once.
    grid: The grid to reach. Static.
    reach: Farthest distance from the grid, along each axis, Å.
    max_images: Slots. Static.
  """
  positions, cell, reach = jax.lax.stop_gradient((positions, cell, reach))
  finite = jnp.all(jnp.isfinite(jnp.where(filled[:, None], positions, 0.0)))
  if cell is None:
    inside = jnp.abs(positions) <= grid.length / 2 + reach
    atom, _, used, total = _expand(filled & inside.all(-1), max_images)
    still = jnp.zeros((max_images, 3), jnp.int32)
    return Images(atom, still, used, finite & (total <= max_images))
  inverse = jnp.linalg.inv(cell)
  finite &= jnp.all(jnp.isfinite(inverse))
  fractional = positions @ inverse
  choose = _reach_box if isinstance(grid, BoxGrid) else _reach_cell
  atom, translation, used, fits = choose(
    fractional, filled, cell, inverse, grid, reach, max_images
  )
  return Images(atom, translation, used, finite & fits)


def each_atom(
  positions: Float[Array, 'N 3'],
  filled: Bool[Array, 'N'],
  cell: Float[Array, '3 3'],
  *,
  max_images: int,
) -> Images:
  """Every filled slot once, in the unit cell: for sums over frequencies."""
  inverse = jnp.linalg.inv(cell)
  fractional = jax.lax.stop_gradient(positions @ inverse)
  atom, _, used, total = _expand(filled, max_images)
  finite = jnp.isfinite(jnp.where(filled[:, None], fractional, 0.0)).all()
  step = -jnp.floor(fractional[atom]).astype(jnp.int32)
  return Images(atom, step, used, finite & (total <= max_images))


def place(images: Images, positions: Split, cell: Split | None) -> Split:
  """Cartesian positions [M, 3] of the images, Å; zero in unused slots."""
  parts = []
  for i in range(2):  # coarse, fine
    part = positions[i][images.atom]
    if cell is not None:
      step = images.translation.astype(part.dtype)
      part = part + jnp.matmul(step, cell[i], precision='highest')
    parts.append(jnp.where(images.filled[:, None], part, 0.0))
  return Split(*parts)


def count_images(
  positions: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'] | None,
  *,
  grid: Grid,
  sigma: float = 0.5,
) -> int:
  """A `max_images` that is enough for these atoms, found on the host.

  Args:
    positions: Cartesian positions of atoms (no empty slots), Å.
    cell: Lattice vectors as rows, Å, or None.
    grid: The grid to reach.
    sigma: Standard deviation of an atom, Å.

  Returns:
    Images that reach the grid, or a little more. At least 1.
  """
  if isinstance(grid, CellGrid) and resolves(grid, np.asarray(cell), sigma):
    return max(len(positions), 1)  # summed over frequencies, each atom once
  reach = cutoff(np.float64(sigma), jnp.result_type(float))
  return count_reaching(positions, cell, grid=grid, reach=reach)


def count_reaching(
  positions: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'] | None,
  *,
  grid: Grid,
  reach: float,
) -> int:
  """Slots that `find_images` needs, found on the host. At least 1."""
  positions = np.asarray(positions, np.float64).reshape(-1, 3)
  # What is not finite reaches nothing here, and gives NaN later.
  positions = positions[np.isfinite(positions).all(-1)]
  atoms = len(positions)
  if cell is None or not np.isfinite(cell).all():
    return max(atoms, 1)
  cell, reach = np.asarray(cell, np.float64), 1.0001 * reach
  inverse = np.linalg.inv(cell)
  fractional = positions @ inverse
  if isinstance(grid, CellGrid):
    _, counts = _cell_range(fractional, inverse, grid, reach, np)
    return max(int(counts.prod(-1).sum()), 1)
  half = grid.length / 2 + reach
  extent = half * np.abs(inverse).sum(0)
  whole = [np.arange(-np.floor(e) - 1, np.floor(e) + 1) for e in extent]
  steps = np.stack(np.meshgrid(*whole), -1).reshape(1, -1, 3)
  moved = ((fractional - np.floor(fractional))[:, None] + steps) @ cell
  images = int((np.abs(moved) <= half).all(-1).sum())
  # The lines of `_reach_box` have to fit too; they do but for odd cells.
  lines = atoms * np.prod(np.floor(2 * np.sort(extent)[:2]) + 1)
  return max(images, int(lines - 4 * atoms) // 2 + 1, 1)


def ladder(count: int) -> int:
  """The next of 8, 16, 24, .. 64, 80, .. 128, 160: crystals share a trace."""
  step = max(8, 1 << max(0, (count - 1).bit_length() - 3))
  return -(-max(count, 1) // step) * step


def cutoff(sigma: Float[ArrayLike, ''], dtype: jnp.dtype) -> Array:
  """Distance beyond which an atom is left out, Å: 4e-7 of its peak."""
  return (7.0 if dtype == jnp.float64 else 5.5) * sigma


def _reach_box(fractional, filled, cell, inverse, grid, reach, max_images):
  """Images in a box: lines along one lattice vector, clipped by its walls.

  All images of an atom lie on lines along the lattice vector that has most
  of them in the box. Lines are listed first, and what the walls leave of each
  is an interval of whole numbers.
  """
  half = grid.length / 2 + reach
  extent = half * jnp.abs(inverse).sum(0)  # of the box, in lattice vectors
  order = jnp.argsort(-extent)
  extent, cell, fractional = extent[order], cell[order], fractional[:, order]

  first = jnp.ceil(-extent[None] - fractional)  # [N, 3]
  across = jnp.clip(jnp.floor(2 * extent) + 1, 1, 2**15)  # [3]
  lines = jnp.clip(across[1] * across[2], 1, 2**18).astype(jnp.int32)
  atom, rank, used, wanted = _expand(
    jnp.where(filled, lines, 0), 2 * max_images + 4 * len(filled)
  )
  fits = wanted <= len(atom)
  across = across.astype(jnp.int32)
  rest = jnp.stack([rank % across[1], rank // across[1]], -1) + first[atom, 1:]
  base = jnp.matmul(
    fractional[atom, 1:] + rest, cell[1:], precision='highest'
  )  # [L, 3]

  along = jnp.where(jnp.abs(cell[0]) < 1e-9, 1e-9, cell[0])[None]
  enter, leave = (-half - base) / along, (half - base) / along
  start = jnp.ceil(jnp.minimum(enter, leave).max(-1) - fractional[atom, 0])
  stop = jnp.floor(jnp.maximum(enter, leave).min(-1) - fractional[atom, 0])
  counts = jnp.where(used, jnp.clip(stop - start + 1, 0, 2**15), 0)
  line, rank, used, total = _expand(counts.astype(jnp.int32), max_images)
  translation = jnp.concatenate(
    [(start[line] + rank)[:, None], rest[line]], -1
  )[:, jnp.argsort(order)]
  fits &= total <= max_images
  return atom[line], translation.astype(jnp.int32), used, fits


def _reach_cell(fractional, filled, cell, inverse, grid, reach, max_images):
  """Images near the unit cell: an interval of translations an axis."""
  del cell
  first, counts = _cell_range(fractional, inverse, grid, reach, jnp)
  counts = jnp.clip(counts, 0, 2**8).astype(jnp.int32)
  atom, rank, used, total = _expand(
    jnp.where(filled, counts.prod(-1), 0), max_images
  )
  x, y, _ = counts[atom].T
  rank = jnp.stack([rank % x, rank // x % y, rank // (x * y)], -1)
  translation = first[atom].astype(jnp.int32) + rank
  return atom, translation, used, total <= max_images


def _cell_range(fractional, inverse, grid, reach, xp):
  """First translation and how many reach the cell, an atom and axis."""
  extent = reach * xp.linalg.norm(inverse, axis=0)
  last = 1 - 1 / np.array(grid.shape, inverse.dtype)
  first = xp.ceil(-extent[None] - fractional)
  counts = xp.floor((last + extent)[None] - fractional) - first + 1
  return first, xp.maximum(counts, 0)


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
