"""Search for atoms that are too close, periodic images included.

Host NumPy. A vector shorter than half the distance between opposite cell faces,
for all three pairs, has no shorter image. Rounding fractional differences finds
such vectors ten times as fast as a neighbour list, which is used for smaller
cells.
"""

from __future__ import annotations

import itertools

import ase
import ase.neighborlist
import numpy as np
from jaxtyping import Float

from crystal_jax.structure import lattice

# Maximum number of atoms for which all pairs cost less than a neighbour list.
_MAX_PAIRWISE_ATOMS = 300
# Of a Minkowski-reduced cell these hold the nearest image.
_NEIGHBOR_CELLS = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))


def first_contact(
  positions: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
  distance: float,
) -> tuple[int, int, float] | None:
  """Two atoms, or an atom and its own image, closer than a distance.

  Args:
    positions: Cartesian positions, Å.
    cell: Lattice vectors as rows, Å.
    distance: Distance below which atoms are in contact, Å.

  Returns:
    Indices of the two atoms and their distance, Å; None if all distances are
    longer.
  """
  inverse = np.linalg.inv(cell)
  spacings = 1 / np.linalg.norm(inverse, axis=0)
  if len(positions) <= _MAX_PAIRWISE_ATOMS and spacings.min() > 2 * distance:
    fractional = positions @ inverse
    vectors = fractional[:, None] - fractional
    vectors = (vectors - np.round(vectors)) @ cell
    squares = np.einsum('ijk,ijk->ij', vectors, vectors)
    np.fill_diagonal(squares, np.inf)
    i, j = divmod(int(squares.argmin()), len(positions))
    if squares[i, j] >= distance**2:
      return None
    return i, j, float(np.sqrt(squares[i, j]))
  # The neighbour list is slow in skewed cells.
  cell, _ = lattice.minkowski_reduce(cell)
  shortest = float(np.linalg.norm(cell[0]))
  if shortest < distance:
    return 0, 0, shortest
  if contact := _contact_in_a_bin(positions, cell, distance):
    return contact
  atoms = ase.Atoms(positions=positions, cell=cell, pbc=True)
  atoms.set_atomic_numbers(np.ones(len(positions), int))
  i, j, d = ase.neighborlist.neighbor_list('ijd', atoms, distance)
  return (int(i[0]), int(j[0]), float(d[0])) if len(i) else None


def distances(
  first: Float[np.ndarray, 'M 3'],
  second: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> Float[np.ndarray, 'M N']:
  """Shortest distances of atoms to any image of others, Å.

  Args:
    first: Cartesian positions, Å.
    second: Cartesian positions, Å.
    cell: A Minkowski-reduced cell, Å.

  Returns:
    0 for an atom and itself.
  """
  fractional = (first[:, None] - second[None]) @ np.linalg.inv(cell)
  offsets = (fractional - np.rint(fractional)) @ cell
  vectors = offsets[:, :, None] + (_NEIGHBOR_CELLS @ cell)[None, None]
  return np.sqrt(np.einsum('mnkx,mnkx->mnk', vectors, vectors).min(axis=2))


def distance_matrix(
  positions: Float[np.ndarray, 'N 3'], cell: Float[np.ndarray, '3 3']
) -> Float[np.ndarray, 'N N']:
  """Shortest distances between atoms; on the diagonal to an own image, Å.

  Args:
    positions: Cartesian positions, Å.
    cell: Lattice vectors as rows, Å.
  """
  reduced, _ = lattice.minkowski_reduce(cell)
  matrix = distances(positions, positions, reduced)
  np.fill_diagonal(matrix, np.linalg.norm(reduced[0]))
  return matrix


def _contact_in_a_bin(
  positions: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
  distance: float,
) -> tuple[int, int, float] | None:
  """Two atoms in one bin of a grid so fine that they are in contact.

  Without such a pair, the number of neighbours of an atom is bounded, however
  many atoms a file puts into a small cell.
  """
  counts = np.ceil(3 * np.linalg.norm(cell, axis=1) / distance)
  fractional = positions @ np.linalg.inv(cell) % 1.0
  bins = np.floor(fractional * counts).astype(np.int64)
  order = np.lexsort(bins.T)
  equal = (bins[order[1:]] == bins[order[:-1]]).all(axis=1)
  if not equal.any():
    return None
  first = int(equal.argmax())
  i, j = sorted((int(order[first]), int(order[first + 1])))
  vector = (fractional[i] - fractional[j]) @ cell
  return i, j, float(np.linalg.norm(vector))
