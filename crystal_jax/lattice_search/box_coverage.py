"""How much of a cell a box shows, and how densely the box is filled."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from crystal_jax.lattice_search import box_atoms
from crystal_jax.lattice_search.config import SEARCH


def unseen_share(
  box: box_atoms.BoxAtoms,
  cell: Float[np.ndarray, '3 3'],
  centre: Float[np.ndarray, '3'] | None = None,
) -> float:
  """The share of the cell of which no image lies in the box.

  Points within `SEARCH.exclusion_distance` of an atom do not count.
  """
  outside = (
    SEARCH.outside_distance if len(box.positions) > box.num_inside else 0
  )
  seen = box.half_length + outside
  if (np.abs(cell).sum(axis=0) <= 2 * seen).all():
    return 0.0
  n = 10
  grid = (np.stack(np.meshgrid(*[np.arange(n)] * 3), -1) + 0.5) / n
  hidden = grid.reshape(-1, 3) @ cell
  shifts = box_atoms.whole_steps(cell, 2.8 * box.half_length) @ cell
  for chunk in np.array_split(shifts, len(shifts) // 32 + 1):
    images = hidden[:, None] + chunk[None]
    inside = (np.abs(images) <= seen).all(axis=-1).any(axis=1)
    if centre is not None:
      inside |= (np.abs(centre - images) <= seen).all(axis=-1).any(axis=1)
    hidden = hidden[~inside]
  if not len(hidden):
    return 0.0
  positions = box.positions
  if centre is not None:
    positions = np.concatenate([positions, centre - positions])
  offset = (hidden[:, None] - positions[None]) @ np.linalg.inv(cell)
  offset = (offset - np.rint(offset)) @ cell
  free = (np.linalg.norm(offset, axis=-1) > SEARCH.exclusion_distance).all(
    axis=1
  )
  return float(free.sum() / n**3)


def crowding_of(box: box_atoms.BoxAtoms, volume: float) -> float:
  """Atoms per volume in the box, over those in a cell; near one if it is true.

  The plain count takes the walls to be at the outermost atom, which suits atoms
  in no order. Planes of atoms along the walls, as in crystals whose axes are
  those of the box, have half of their room outside such walls and look up to
  eight times too dense. Where the plain count is out of bounds, atoms are
  weighted by a window (1 + cos πu) / 2 along each axis, which falls to zero at
  the walls: for planes at any distance that fits twice into the box, the sum
  over planes is the integral over the window.

  Args:
    box: The atoms of the box.
    volume: Volume per atom of the cell, Å³.
  """
  positions = box.positions[: box.num_inside]
  plain = box.num_inside * volume / (2 * np.abs(positions).max()) ** 3
  if SEARCH.crowding_bounds[0] <= plain <= SEARCH.crowding_bounds[1]:
    return float(plain)
  window = 0.5 + 0.5 * np.cos(np.pi * positions / box.half_length)
  return float(window.prod(axis=1).sum() * volume / box.half_length**3)
