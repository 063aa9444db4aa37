"""Nats of the positions of a list code.

Frequencies are counted in standard frames (numbers, fractional, cell). See
`benchmarks.list_code`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from benchmarks.list_models import Frequencies, Mixture

# Numbers of grid steps that an axis can have. Most are multiples of 12, so that
# 1/2, 1/3 and 1/4 lie on the grid.
STEPS = np.array([2, 4, 6, 8, 12, 16, 18, 24, 30, 36, 48, 60, 72, 96, 120, 144,
                  192, 240, 288, 384, 480, 600, 720, 960, 1200])  # fmt: skip
# Steps of EM that fit the weights of the predictions.
_EM_STEPS = 8
# Number of predictions: three of chains of contexts, and the copies.
_PREDICTIONS = 4
# Count that is spread evenly over all grid points; each copy of an earlier
# coordinate counts 1.
_UNIFORM_COUNT = 0.02
# Contexts of the mixture count at most this many earlier coordinates.
_MAX_KNOWN = 8


class Positions:
  """Code of fractional coordinates that are rounded to a grid."""

  def __init__(self, train, spacing, num_fitted):
    """Counts coordinates of all crystals, and fits the mixture to some.

    Args:
      train: Standard frames (numbers, fractional, cell).
      spacing: Distance of grid points along an axis, Å.
      num_fitted: Number of crystals that the mixture is fitted to.
    """
    self._frequencies, self._mixture = Frequencies(), Mixture(_PREDICTIONS)
    for numbers, fractional, cell in train:
      steps = axis_steps(cell, spacing)
      for coordinate in _coordinates(numbers, fractional, steps):
        for contexts in coordinate.chains:
          self._frequencies.add(coordinate.symbol, contexts)
    chosen = np.random.default_rng(1).permutation(len(train))[:num_fitted]
    predictions = []
    for i in chosen:
      numbers, fractional, cell = train[i]
      steps = axis_steps(cell, spacing)
      for coordinate in _coordinates(numbers, fractional, steps):
        predictions.append((coordinate.mixing, self._shares(coordinate)))
    for _ in range(_EM_STEPS):
      self._mixture.refit(predictions)

  def cost(self, numbers, fractional, steps):
    """Nats of all coordinates of a crystal.

    Args:
      numbers: Atomic numbers.
      fractional: Fractional coordinates.
      steps: Number of grid steps of each axis.
    """
    cost = 0.0
    for coordinate in _coordinates(numbers, fractional, steps):
      weights = self._mixture.weights(coordinate.mixing)
      cost -= math.log(weights @ self._shares(coordinate))
    return cost

  def _shares(self, coordinate):
    """Probability of a coordinate by each prediction.

    Grid points before `min_symbol` are impossible and get none.
    """
    size, symbol = coordinate.size, coordinate.symbol
    min_symbol = coordinate.min_symbol
    shares = []
    for contexts in coordinate.chains:
      predicted = self._frequencies.shares(size, contexts)
      shares.append(predicted[symbol] / predicted[min_symbol:].sum())
    copies = np.full(size, _UNIFORM_COUNT / size)
    for value in coordinate.known:
      for signed in (value, -value):
        for shift in (0.0, 0.5):
          copies[round((signed + shift) * size) % size] += 1
    shares.append(copies[symbol] / copies[min_symbol:].sum())
    return np.array(shares)


def axis_steps(cell, spacing):
  """Number of steps of each axis, none longer than `spacing` (Å), [3]."""
  fewest = np.linalg.norm(cell, axis=1) / spacing
  return STEPS[np.minimum(np.searchsorted(STEPS, fewest), len(STEPS) - 1)]


class _Coordinate(NamedTuple):
  """One coordinate to code, and what its predictions know.

  Attributes:
    symbol: Index of its grid point.
    size: Number of grid points of the axis.
    min_symbol: Smallest index that is possible, since atoms are sorted.
    chains: Contexts of each prediction by frequency, from general to specific.
    known: Earlier coordinates of the crystal, fractional.
    mixing: Context of the weights of the predictions.
  """

  symbol: int
  size: int
  min_symbol: int
  chains: list[list[tuple]]
  known: list[float]
  mixing: tuple


def _coordinates(numbers, fractional, steps):
  """Yields the coordinates of a crystal in the order of coding."""
  rounded = np.rint(fractional * steps).astype(int) % steps
  order = np.lexsort((*rounded.T[::-1], -numbers))
  numbers, rounded = numbers[order], rounded[order]
  origin = _origin(numbers)
  known = [0.0]
  for i, (number, position) in enumerate(zip(numbers, rounded, strict=True)):
    if i == origin:
      continue
    is_same_species = i > 0 and numbers[i - 1] == number
    # Whether all coordinates so far equal those of the atom before.
    is_tied = is_same_species
    for axis in range(3):
      size, symbol = int(steps[axis]), int(position[axis])
      of_previous_atom = int(rounded[i - 1, axis])
      on_previous_axis = position[axis - 1] / steps[axis - 1] if axis else None
      any_axis = 'size', size
      yield _Coordinate(
        symbol=symbol,
        size=size,
        min_symbol=of_previous_atom if is_tied else 0,
        chains=[
          [any_axis, ('axis', size, axis)],
          [
            any_axis,
            ('atom', size, of_previous_atom, is_same_species, is_tied),
          ],
          [any_axis, ('previous axis', size, axis, on_previous_axis)],
        ],
        known=known,
        mixing=(axis, is_same_species, is_tied, min(len(known), _MAX_KNOWN)),
      )
      is_tied = is_tied and symbol == of_previous_atom
      known = [*known, symbol / size]


def _origin(numbers):
  """Index of the atom at the origin: the first one of the rarest species."""
  elements, counts = np.unique(numbers, return_counts=True)
  rarest = elements[counts == counts.min()].max()
  return int(np.argmax(numbers == rarest))
