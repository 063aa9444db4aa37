"""Lattices that three of a box's translations span."""

import itertools

import numpy as np
from jaxtyping import Float

# All below were tuned on mp_le20_val.

# Independent translations, shortest first, that are tried three at a time, and
# lattices that are worth a closer look.
TRIED, CLOSELY = 14, 25
# Vectors that differ by less are the same, Å.
SAME = 0.15


def lattices(points, vectors: Float[np.ndarray, 'T 3']):
  """Different lattices, those of short vectors first.

  Args:
    points: The atoms, a `box_atoms.Points`.
    vectors: Their translations, shortest first.

  Yields:
    Lattice vectors as rows, Å.
  """
  vectors = _irreducible(vectors)
  seen = []
  for triple in _triples(vectors, points):
    cell = vectors[list(triple)]
    if known(cell, seen):
      continue
    seen.append(cell)
    yield cell
    if len(seen) == CLOSELY:
      return


def _triples(vectors, points):
  """Independent triples, the shortest in all first.

  With two translations their sum and their difference are translations too.
  """
  n = len(vectors)
  if n < 3:
    return []
  sums = np.stack([vectors[:, None] + s * vectors[None] for s in (1, -1)])
  agree = ~points.refuted(sums.reshape(-1, 3)).reshape(2, n, n).any(axis=0)
  triples = np.array(list(itertools.combinations(range(n), 3)))
  a, b, c = triples.T
  length = np.linalg.norm(vectors, axis=1)[triples]
  flat = np.abs(np.linalg.det(vectors[triples])) < 0.1 * length.prod(axis=1)
  keep = agree[a, b] & agree[a, c] & agree[b, c] & ~flat
  order = np.argsort(length.sum(axis=1), kind='stable')
  return [tuple(triples[i]) for i in order if keep[i]]


def _irreducible(vectors):
  """The first that are not a sum or difference of two shorter ones."""
  kept = []
  for i, vector in enumerate(vectors):
    shorter = np.concatenate([vectors[:i], -vectors[:i]])
    # |rest - shorter|^2, of every rest and every one that is shorter.
    rest = vector - shorter
    size = (rest**2).sum(1)[:, None] + (shorter**2).sum(1)
    if not i or (size - 2 * rest @ shorter.T).min() > SAME**2:
      kept.append(vector)
    if len(kept) == TRIED:
      break
  return np.array(kept).reshape(-1, 3)


def known(cell, seen) -> bool:
  """Whether one of the lattices seen is the same."""
  if not seen:
    return False
  times = cell[None] @ np.linalg.inv(np.array(seen))
  whole = np.abs(times - np.rint(times)).max(axis=(1, 2)) < 0.1
  same = np.abs(np.abs(np.linalg.det(times)) - 1) < 0.1
  return bool((whole & same).any())
