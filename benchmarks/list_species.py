"""Nats of the species of a list code.

These are the number of atoms, the elements, and the number of atoms of each.

Frequencies are counted in standard frames (numbers, fractional, cell). See
`benchmarks.list_code`.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.list_models import Frequencies

# Maximum number of atoms of a cell, and of elements of a crystal.
_MAX_ATOMS, _MAX_ELEMENTS = 20, 8
# Atomic numbers 0 to 94; 0 does not occur.
_NUM_CLASSES = 95
# Count of each element before any crystal is counted.
_ELEMENT_PRIOR = 0.1
# The same for a pair of elements; added to the expected count too.
_PAIR_PRIOR = 2
# Volume of an atom that the fit is regularized towards, and the smallest, Å³.
_PRIOR_VOLUME, _MIN_VOLUME = 17.0, 3.0
# Weight of the regularization, (atoms per Å³)².
_VOLUME_RIDGE = 3e-4


class Species:
  """Code of the number of atoms, the elements, and the atoms of each element.

  Attributes:
    volumes: Fitted volume of an atom of each element, Å³.
  """

  def __init__(self, train, pair_weight=1.0):
    """Counts the species of all crystals.

    Args:
      train: Standard frames (numbers, fractional, cell).
      pair_weight: Weight of how often two elements occur in one crystal; 0:
        elements are independent.
    """
    self._pair_weight = pair_weight
    self._num_atoms, self._num_elements = Frequencies(), Frequencies()
    self._atoms_of_element = Frequencies()
    self._heaviest_counts = np.full(_NUM_CLASSES, _ELEMENT_PRIOR)
    self._lighter_counts = np.full(_NUM_CLASSES, _ELEMENT_PRIOR)
    pair_counts = np.zeros((_NUM_CLASSES, _NUM_CLASSES))
    compositions = np.zeros((len(train), _NUM_CLASSES))
    for i, (numbers, _, _) in enumerate(train):
      elements, counts = _composition(numbers)
      self._num_atoms.add(len(numbers), ['all'])
      self._num_elements.add(len(elements), ['all', len(numbers)])
      self._heaviest_counts[elements[0]] += 1
      self._lighter_counts[elements[1:]] += 1
      pair_counts[np.ix_(elements, elements)] += 1
      for symbol, contexts in _counts_in_context(elements, counts):
        self._atoms_of_element.add(symbol, contexts)
      compositions[i, elements] = counts
    element_counts = np.diag(pair_counts)
    expected = np.outer(element_counts, element_counts) / len(train)
    self._pair_scores = np.log(
      (pair_counts + _PAIR_PRIOR) / (expected + _PAIR_PRIOR)
    )
    self._log_frequencies = np.log(
      (compositions.sum(0) + 1) / (compositions.sum() + _NUM_CLASSES)
    )
    cells = np.array([cell for _, _, cell in train])
    self.volumes = _fit_volumes(compositions, np.abs(np.linalg.det(cells)))

  def cost(self, numbers):
    """Nats of the number of atoms, and of the species.

    Elements are coded from heavy to light, each given all before it.
    """
    elements, counts = _composition(numbers)
    num_atoms = self._num_atoms.share(len(numbers), _MAX_ATOMS, ['all'])
    share = self._num_elements.share(
      len(elements), _MAX_ELEMENTS, ['all', len(numbers)]
    )
    scores = np.log(self._heaviest_counts)
    heaviest = _NUM_CLASSES
    for i, element in enumerate(elements):
      # Enough lighter elements must remain for those after it.
      allowed = slice(len(elements) - i, heaviest)
      weights = np.exp(scores[allowed] - scores[allowed].max())
      share *= weights[element - allowed.start] / weights.sum()
      if i == 0:
        scores = np.log(self._lighter_counts)
      scores = scores + self._pair_weight * self._pair_scores[element]
      heaviest = element
    for symbol, contexts in _counts_in_context(elements, counts):
      share *= self._atoms_of_element.share(symbol, _MAX_ATOMS, contexts)
    return -math.log(num_atoms), -math.log(share)

  def plain_cost(self, numbers):
    """Nats of the number of atoms, and of each element by its frequency."""
    num_atoms = self._num_atoms.share(len(numbers), _MAX_ATOMS, ['all'])
    return -math.log(num_atoms) - self._log_frequencies[numbers].sum()


def _fit_volumes(compositions, volumes):
  """Volume of an atom of each element, Å³, by least squares of relative errors.

  Args:
    compositions: Number of atoms of each element of each crystal, [M, E].
    volumes: Volume of each cell, Å³, [M].
  """
  ridge = _VOLUME_RIDGE * np.eye(_NUM_CLASSES)
  scaled = compositions / volumes[:, None]
  fitted = np.linalg.solve(
    scaled.T @ scaled + ridge,
    scaled.sum(0) + ridge @ np.full(_NUM_CLASSES, _PRIOR_VOLUME),
  )
  return fitted.clip(_MIN_VOLUME)


def _composition(numbers):
  """Elements, the heaviest first, and their numbers of atoms."""
  elements, counts = np.unique(numbers, return_counts=True)
  return elements[::-1], counts[::-1]


def _counts_in_context(elements, counts):
  """Number of atoms of each element but the last, with its contexts."""
  remaining, before = int(counts.sum()), ()
  for i in range(len(elements) - 1):
    num_elements = len(elements) - i
    context = num_elements, remaining, before
    contexts = [
      num_elements,
      (num_elements, remaining),
      context,
      (*context, int(elements[i])),
      (*context, int(elements[i]), int(elements[-1])),
    ]
    yield int(counts[i]), contexts
    remaining, before = remaining - int(counts[i]), (*before, int(counts[i]))
