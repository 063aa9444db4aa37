"""Changes of basis of a lattice: matrices of -1, 0 and 1 of determinant 1.

Between two reduced bases of one lattice the entries are no larger. A basis is
chosen by its rows: each of the three pairs of rows may be one of 27² pairs, and
a matrix is kept if all its pairs are. Host NumPy.
"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

# Pairs of rows of a basis.
FIRST, SECOND = np.array([[0, 0, 1], [1, 2, 2]])


class Unimodular(NamedTuple):
  """All such matrices.

  Attributes:
    rows: All rows that they may have.
    matrices: The matrices, sorted.
    inverses: Their inverses.
    pairs: For rows 0 and 1, 0 and 2, 1 and 2: 27 i + j, where i and j are
      indices in `rows`.
  """

  rows: Float[np.ndarray, '27 3']
  matrices: Float[np.ndarray, '3480 3 3']
  inverses: Float[np.ndarray, '3480 3 3']
  pairs: Int[np.ndarray, '3 3480']


@functools.cache
def unimodular() -> Unimodular:
  """The table; made once."""
  rows = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
  indices = np.array(list(itertools.product(range(27), repeat=3)))
  indices = indices[np.rint(np.linalg.det(rows[indices])) == 1]
  return Unimodular(
    rows,
    rows[indices],
    np.rint(np.linalg.inv(rows[indices])),
    np.ascontiguousarray((27 * indices[:, FIRST] + indices[:, SECOND]).T),
  )


def with_pairs(allowed: Bool[np.ndarray, '3 27 27']) -> Int[np.ndarray, 'M']:
  """Indices of the matrices whose three pairs of rows are all allowed."""
  pairs, allowed = unimodular().pairs, allowed.reshape(3, -1)
  kept = allowed[0][pairs[0]].nonzero()[0]
  kept = kept[allowed[1][pairs[1][kept]]]
  return kept[allowed[2][pairs[2][kept]]]
