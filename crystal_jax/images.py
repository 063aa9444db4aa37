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

from crystal_jax import lattice
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
  x = x.astype(dtype) if isinstance(x, jax.Array) else np.asarray(x, np.float64)
  coarse = quantize(x)
  return Split(jnp.asarray(coarse, dtype), jnp.asarray(x - coarse, dtype))


def quantize(x: Float[ArrayLike, '*S']) -> Float[ArrayLike, '*S']:
  """The nearest whole multiple of the quantum, a constant to derivatives."""
  if isinstance(x, np.ndarray):
    return np.round(x / _QUANTUM) * _QUANTUM
  return jax.lax.stop_gradient(jnp.round(x / _QUANTUM) * _QUANTUM)


def volume(cell: Split) -> Float[Array, '']:
  """Volume of a cell, Å³, to the last digit also where it is small and flat."""
  a, b, c = cell.value
  coarse, fine = cell
  # Whole quanta multiply without rounding while they have few digits.
  normal = jnp.cross(coarse[1], coarse[2])
  high = jnp.round(32 * normal) / 32
  rest = fine[0] * jnp.cross(b, c) + coarse[0] * jnp.cross(fine[1], c)
  rest += coarse[0] * jnp.cross(coarse[1], fine[2])
  parts = coarse[0] * high, coarse[0] * (normal - high), rest
  return jnp.abs(sum(part.sum() for part in parts))


def float_type(*arrays: ArrayLike | None) -> jnp.dtype:
  """float32, or float64 where x64 mode is on and an array has it."""
  types = [jnp.result_type(a) for a in arrays if a is not None]
  return jnp.result_type(jnp.float32, *types)


def cutoff(sigma: Float[ArrayLike, ''], dtype: jnp.dtype) -> Array:
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

  All images of an atom lie on lines along the lattice vector that has most
  of them near the grid. Lines are listed first, and what the grid's walls
  leave of each is an interval of whole numbers.

  Args:
    positions: Cartesian positions, Å.
    filled: Which slots hold an atom; the others take no image slot.
    cell: Lattice vectors as rows, Å; None: no images, each atom once.
    grid: The grid to reach. Static.
    reach: Farthest distance from the grid, along each axis, Å.
    max_images: Slots. Static.
  """
  positions, cell, reach = jax.lax.stop_gradient((positions, cell, reach))
  if cell is None:
    far = jnp.abs(positions) > grid.length / 2 + reach  # False for NaN
    return _once(positions, filled & ~far.any(-1), max_images)
  inverse, _ = lattice.invert(cell)
  fractional = _dot(positions, inverse)
  order, vectors, walls, (first, last) = _walls(cell, inverse, grid, reach, jnp)
  shifted = fractional[:, order]

  across = jnp.clip(jnp.floor(last - first) + 1, 1, 2**15)
  lines = jnp.clip(across[1] * across[2], 1, 2**18).astype(jnp.int32)
  atom, rank, used, wanted = _expand(
    jnp.where(filled, lines, 0), 2 * max_images + 4 * len(filled)
  )
  fits = wanted <= len(atom)
  across = across.astype(jnp.int32)
  rest = jnp.stack([rank % across[1], rank // across[1]], -1)
  rest = rest + jnp.ceil(first[None] - shifted)[atom, 1:]
  base = _dot(shifted[atom, 1:] + rest, vectors[1:])  # [L, 3]
  start, counts = _interval(base, shifted[atom, 0], vectors, walls, jnp)

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
  """Every filled slot once, in the unit cell: for sums over frequencies."""
  inverse, _ = lattice.invert(jax.lax.stop_gradient(cell))
  fractional = _dot(jax.lax.stop_gradient(positions), inverse)
  images = _once(fractional, filled, max_images)
  return images._replace(translation=-jnp.floor(fractional).astype(jnp.int32))


def place(images: Images, positions: Split, cell: Split | None) -> Split:
  """Cartesian positions [M, 3] of the images, Å; zero in unused slots."""

  def part(position, vectors):
    moved = position[images.atom]
    if vectors is not None:
      moved += _dot(images.translation.astype(moved.dtype), vectors)
    return jnp.where(images.filled[:, None], moved, 0.0)

  return Split(*map(part, positions, cell or (None, None)))


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
  reach: float,
  *,
  grid: Grid,
) -> int:
  """Slots that `find_images` needs, found on the host. At least 1."""
  positions = np.asarray(positions, np.float64).reshape(-1, 3)
  # What is not finite reaches nothing here, and gives NaN later.
  positions = positions[np.isfinite(positions).all(-1)]
  if cell is None or not np.isfinite(cell).all():
    return max(len(positions), 1)
  cell = np.asarray(cell, np.float64)
  inverse = np.linalg.inv(cell)
  order, vectors, walls, (first, last) = _walls(
    cell, inverse, grid, 1.0001 * reach, np
  )
  shifted = (positions @ inverse)[:, None, order]
  _, *across = np.floor(last - first) + 1
  rest = np.stack(np.meshgrid(*map(np.arange, across)), -1).reshape(-1, 2)
  rest = rest + np.ceil(first - shifted)[..., 1:]  # [N, L, 2]
  base = (shifted[..., 1:] + rest) @ vectors[1:]
  _, counts = _interval(base, shifted[..., 0], vectors, walls, np)
  # The lines have to fit too; they do but for odd cells.
  lines = counts.size - 4 * len(positions)
  return max(int(counts.sum()), lines // 2 + 1, 1)


def slots_for(count, positions, weights, cell, width) -> int:
  """`max_images` for the largest of some crystals, rounded up to the ladder.

  What one of them needs is `count(atoms, cell, width)`; they come as positions
  [*B, N, 3], weights [*B, N, *C] and cells [*B, 3, 3] or None.

  Raises:
    ValueError: Where a transformation hides one of them (but the weights).
  """
  values = known(positions, cell, width)
  if values is None:
    raise ValueError(
      'Give max_images= inside jit, vmap or scan, where positions, cell and '
      'width have no values yet to find it from (count_images does, outside).'
    )
  positions, cell, width = values
  (weights,) = known(weights) or [np.ones(positions.shape[:-1])]
  filled = weights != 0
  if filled.ndim == positions.ndim:
    filled = filled.any(-1)
  most = 1
  for one in np.ndindex(positions.shape[:-2]):
    atoms = positions[one][filled[one]]
    most = max(most, count(atoms, cell if cell is None else cell[one], width))
  return ladder(most)


def known(*arrays: ArrayLike | None) -> list[np.ndarray | None] | None:
  """The values of arrays, also under grad; None where one is hidden."""
  shown = [
    jax.lax.stop_gradient(a) if isinstance(a, jax.core.Tracer) else a
    for a in arrays
  ]
  try:
    return [None if a is None else np.asarray(a) for a in shown]
  except jax.errors.TracerArrayConversionError:
    return None


def ladder(count: int) -> int:
  """The next of 8, 16, 24, .. 64, 80, .. 128, 160: crystals share a trace."""
  step = max(8, 1 << max(0, (count - 1).bit_length() - 3))
  return -(-max(count, 1) // step) * step


def _dot(a, b):
  return jnp.matmul(a, b, precision='highest')


def _once(positions, filled, max_images):
  """Each filled slot where it is."""
  finite = jnp.isfinite(jnp.where(filled[:, None], positions, 0.0)).all()
  still = jnp.zeros(positions.shape, jnp.int32)
  complete = finite & (filled.sum() <= max_images)
  return Images(jnp.arange(len(filled)), still, filled, complete)


def _walls(cell, inverse, grid, reach, xp):
  """The walls that images lie between, `reach` outside of the grid's own.

  Returns:
    The order of the lattice vectors, the one with most images first; these
    vectors in coordinates across the walls, the walls (low, high) in the same;
    and the walls' bounds (low, high) in fractional coordinates.
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
  return order, vectors[order], walls, tuple(b[order] for b in bounds)


def _interval(base, offset, vectors, walls, xp):
  """First step along `vectors[0]` and how many stay between the walls."""
  axes = (1,) * (base.ndim - 1) + (3,)
  low, high, along = (x.reshape(axes) for x in (*walls, vectors[0]))
  along = xp.where(xp.abs(along) < 1e-9, 1e-9, along)
  enter, leave = (low - base) / along, (high - base) / along
  start = xp.ceil(xp.minimum(enter, leave).max(-1) - offset)
  stop = xp.floor(xp.maximum(enter, leave).min(-1) - offset)
  return start, xp.clip(stop - start + 1, 0, 2**15)


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
