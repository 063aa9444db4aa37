"""Lattices spanned by three of a box's translations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.lattice_search.box_atoms import BoxAtoms
from crystal_jax.lattice_search.config import SEARCH


def lattices(
  box: BoxAtoms, vectors: Float[np.ndarray, 'T 3']
) -> Iterator[Float[np.ndarray, '3 3']]:
  """Different lattices, those of short vectors first.

  Args:
    box: The atoms of the box.
    vectors: Their translations, shortest first, Å.

  Yields:
    Lattice vectors as rows, Å.
  """
  vectors = _irreducible(vectors)
  seen: list[np.ndarray] = []
  for triple in _triples(vectors, box):
    cell = vectors[list(triple)]
    if contains_lattice(cell, seen):
      continue
    seen.append(cell)
    yield cell
    if len(seen) == SEARCH.max_lattices:
      return


def _triples(vectors, box) -> list[tuple[int, ...]]:
  """Independent triples, smallest sum of lengths first.

  The sum and the difference of two translations are translations too.
  """
  n = len(vectors)
  if n < 3:
    return []
  sums = np.stack([vectors[:, None] + s * vectors[None] for s in (1, -1)])
  compatible = ~box.rejects(sums.reshape(-1, 3)).reshape(2, n, n).any(axis=0)
  triples = np.array(list(itertools.combinations(range(n), 3)))
  a, b, c = triples.T
  length = np.linalg.norm(vectors, axis=1)[triples]
  flat = np.abs(np.linalg.det(vectors[triples])) < 0.1 * length.prod(axis=1)
  keep = compatible[a, b] & compatible[a, c] & compatible[b, c] & ~flat
  order = np.argsort(length.sum(axis=1), kind='stable')
  return [tuple(triples[i]) for i in order if keep[i]]


def _irreducible(vectors):
  """The first vectors that are no sum or difference of two shorter ones."""
  kept = []
  for i, vector in enumerate(vectors):
    signed = np.concatenate([vectors[:i], -vectors[:i]])
    # |remainder - signed|², of every remainder and every signed vector.
    remainder = vector - signed
    squared_norms = (remainder**2).sum(1)[:, None] + (signed**2).sum(1)
    squares = squared_norms - 2 * remainder @ signed.T
    nearest = squares.min() if i else np.inf
    if nearest > SEARCH.vector_tolerance**2:
      kept.append(vector)
    if len(kept) == SEARCH.max_irreducible:
      break
  return np.array(kept).reshape(-1, 3)


def contains_lattice(
  cell: Float[np.ndarray, '3 3'], seen: Sequence[Float[np.ndarray, '3 3']]
) -> bool:
  """Whether one of the lattices in `seen` is the same."""
  if not seen:
    return False
  steps = cell[None] @ np.linalg.inv(np.array(seen))
  whole = np.abs(steps - np.rint(steps)).max(axis=(1, 2)) < 0.1
  same = np.abs(np.abs(np.linalg.det(steps)) - 1) < 0.1
  return bool((whole & same).any())
