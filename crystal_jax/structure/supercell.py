"""Division of supercells of thousands of atoms by their pure translations.

The cell is divided by the shortest translation that maps every atom onto one of
its species, and the search is repeated on the smaller cell. A KD-tree finds the
atoms: 4,096 atoms take milliseconds, where spglib takes minutes. Host NumPy,
float64.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure import lattice

# Number of atoms of the rarest species on which translations are tried first.
_PROBES = 8


def divide(
  numbers: Int[np.ndarray, 'N'],
  fractional: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
  tolerance: float,
) -> tuple[
  Int[np.ndarray, 'M'], Float[np.ndarray, 'M 3'], Float[np.ndarray, '3 3']
]:
  """The cell without pure translations; atoms are averaged over them.

  Args:
    numbers: Atomic numbers, no empty slots.
    fractional: Fractional coordinates.
    cell: Lattice vectors as rows, Å.
    tolerance: Largest distance between an atom and the image of another, Å.
  """
  while (
    found := _translation(numbers, fractional, cell, tolerance)
  ) is not None:
    numbers, fractional, cell = _divide(numbers, fractional, cell, *found)
  return numbers, fractional, cell


def _translation(numbers, fractional, cell, tolerance):
  """The shortest translation, its order and its permutation; or None.

  The translation is fractional; `order` times it is in the lattice. It maps
  atom i onto atom `permutation[i]`.
  """
  import scipy.spatial  # Only large cells need it.

  _, kinds, counts = np.unique(numbers, return_inverse=True, return_counts=True)
  common = math.gcd(*counts.tolist())
  if common == 1:
    return None
  wrapped = fractional % 1.0 % 1.0  # -1e-17 % 1 is 1.
  tree = scipy.spatial.cKDTree(wrapped, boxsize=1.0)
  rarest = np.flatnonzero(kinds == np.flatnonzero(counts == counts.min())[-1])

  def images(indices, shift):
    """Nearest atoms of shifted ones, and whether species and position agree."""
    shifted = (wrapped[indices] + shift) % 1.0 % 1.0
    found = tree.query(shifted)[1]
    vectors = shifted - wrapped[found]
    vectors = (vectors - np.rint(vectors)) @ cell
    matched = np.linalg.norm(vectors, axis=1) < tolerance
    return found, matched & (numbers[found] == numbers[indices])

  shifts = wrapped[rarest[1:]] - wrapped[rarest[0]]
  shifts -= np.rint(shifts)
  for probe in rarest[:_PROBES]:  # All shifts at once.
    shifts = shifts[images(np.full(len(shifts), probe), shifts)[1]]
  for shift in shifts[np.argsort(np.linalg.norm(shifts @ cell, axis=1))]:
    order = _order(shift, cell, common, tolerance)
    if order is None:
      continue
    shift = np.rint(order * shift) / order
    permutation, matched = images(np.arange(len(numbers)), shift)
    if matched.all() and _has_equal_cycles(permutation, order):
      return shift, order, permutation
  return None


def _order(shift, cell, common, tolerance):
  """The smallest multiple of a vector that is in the lattice; or None."""
  for order in range(2, common + 1):
    if common % order == 0:
      remainder = order * shift - np.rint(order * shift)
      if np.linalg.norm(remainder @ cell) < order * tolerance:
        return order
  return None


def _has_equal_cycles(permutation, order) -> bool:
  """Whether every cycle of a permutation has the given length."""
  start = np.arange(len(permutation))
  image = start
  for step in range(1, order + 1):
    image = permutation[image]
    if step < order and (image == start).any():
      return False
  return bool((image == start).all())


def _divide(numbers, fractional, cell, shift, order, permutation):
  """The cell divided by one translation; each cycle of atoms is averaged."""
  steps = np.rint(order * shift).astype(np.int64)
  basis = _integer_basis(np.vstack([order * np.eye(3, dtype=np.int64), steps]))
  smaller, _ = lattice.minkowski_reduce(basis / order @ cell)
  offsets = np.zeros_like(fractional)
  first = image = np.arange(len(numbers))
  for step in range(1, order):
    image = permutation[image]
    vectors = fractional[image] - fractional - step * shift
    offsets += (vectors - np.rint(vectors)) / order
    first = np.minimum(first, image)
  kept = np.flatnonzero(first == np.arange(len(numbers)))
  positions = (fractional + offsets)[kept] @ cell
  return numbers[kept], positions @ np.linalg.inv(smaller) % 1.0, smaller


def _integer_basis(vectors: Int[np.ndarray, 'K 3']) -> Int[np.ndarray, '3 3']:
  """A basis of the lattice that integer vectors span, by Euclid's algorithm."""
  rows, basis = [row.copy() for row in vectors], []
  for column in range(3):
    while True:
      rows.sort(key=lambda row: (row[column] == 0, abs(row[column])))
      if len(rows) < 2 or rows[1][column] == 0:
        break
      for row in rows[1:]:
        row -= row[column] // rows[0][column] * rows[0]
    basis.append(rows.pop(0))
  return np.array(basis)
