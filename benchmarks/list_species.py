"""Nats of the species of a list code: atoms, elements, atoms of each.

Frequencies are counted in standard frames (numbers, fractional, cell). See
`benchmarks.list_code`.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.list_models import Frequencies

# Maximum number of atoms of a cell, and atomic numbers.
_MAX_ATOMS, _ELEMENTS = 20, 95


class Species:
  """Number of atoms, elements, and number of atoms of each element."""

  def __init__(self, train, pair_weight=1.0):
    self._pair_weight = pair_weight
    self._atoms, self._kinds = Frequencies(), Frequencies()
    self._numbers = Frequencies()
    self._first = np.full(_ELEMENTS, 0.1)
    self._later = np.full(_ELEMENTS, 0.1)
    together = np.zeros((_ELEMENTS, _ELEMENTS))
    sums, volumes = np.zeros((len(train), _ELEMENTS)), []
    for i, (numbers, _, cell) in enumerate(train):
      elements, counts = _composition(numbers)
      self._atoms.add(len(numbers), ['all'])
      self._kinds.add(len(elements), ['all', len(numbers)])
      self._first[elements[0]] += 1
      self._later[elements[1:]] += 1
      together[np.ix_(elements, elements)] += 1
      for symbol, contexts in _counts_in_context(elements, counts):
        self._numbers.add(symbol, contexts)
      sums[i, elements] = counts
      volumes.append(abs(np.linalg.det(cell)))
    alone = np.diag(together)
    expected = np.outer(alone, alone) / len(train)
    self._pair_scores = np.log((together + 2) / (expected + 2))
    self._each = np.log((sums.sum(0) + 1) / (sums.sum() + _ELEMENTS))
    # Å³ of each element, by least squares of relative errors, regularized
    # towards 17 Å³.
    volumes = np.array(volumes)
    ridge = 3e-4 * np.eye(_ELEMENTS)
    scaled = sums / volumes[:, None]
    normal = scaled.T @ scaled + ridge
    self.volumes = np.linalg.solve(
      normal, scaled.sum(0) + ridge @ np.full(_ELEMENTS, 17.0)
    ).clip(3)

  def cost(self, numbers):
    """Nats of the number of atoms, and of the species."""
    elements, counts = _composition(numbers)
    atoms = self._atoms.share(len(numbers), _MAX_ATOMS, ['all'])
    kinds = self._kinds.share(len(elements), 8, ['all', len(numbers)])
    share = kinds
    scores = np.log(self._first)
    below = _ELEMENTS
    for i, element in enumerate(elements):
      # Enough lighter elements must remain for the others.
      allowed = slice(len(elements) - i, below)
      weights = np.exp(scores[allowed] - scores[allowed].max())
      share *= weights[element - allowed.start] / weights.sum()
      if not i:
        scores = np.log(self._later)
      scores = scores + self._pair_weight * self._pair_scores[element]
      below = element
    for symbol, contexts in _counts_in_context(elements, counts):
      share *= self._numbers.share(symbol, _MAX_ATOMS, contexts)
    return -math.log(atoms), -math.log(share)

  def plain_cost(self, numbers):
    """Nats of the number of atoms, and of each element by its frequency."""
    atoms = self._atoms.share(len(numbers), _MAX_ATOMS, ['all'])
    return -math.log(atoms) - self._each[numbers].sum()


def _composition(numbers):
  """Elements, the heaviest first, and their numbers of atoms."""
  elements, counts = np.unique(numbers, return_counts=True)
  return elements[::-1], counts[::-1]


def _counts_in_context(elements, counts):
  """Numbers of atoms of all elements but the last, with their contexts."""
  remaining, before = int(counts.sum()), ()
  for i in range(len(elements) - 1):
    kinds = len(elements) - i
    contexts = [
      kinds,
      (kinds, remaining),
      (kinds, remaining, before),
      (kinds, remaining, before, int(elements[i])),
      (kinds, remaining, before, int(elements[i]), int(elements[-1])),
    ]
    yield int(counts[i]), contexts
    remaining, before = remaining - int(counts[i]), (*before, int(counts[i]))
