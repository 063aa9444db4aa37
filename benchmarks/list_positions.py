"""Nats of the positions of a list code.

Frequencies are counted in standard frames (numbers, fractional, cell). See
`benchmarks.list_code`.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.list_models import Frequencies, Mixture

# Possible numbers of grid steps of an axis.
STEPS = np.array([2, 4, 6, 8, 12, 16, 18, 24, 30, 36, 48, 60, 72, 96, 120, 144,
                  192, 240, 288, 384, 480, 600, 720, 960, 1200])  # fmt: skip


class Positions:
  """Fractional coordinates on a grid."""

  def __init__(self, train, spacing, fit):
    self._frequencies, self._mixture = Frequencies(), Mixture(4)
    for numbers, fractional, cell in train:
      steps = axis_steps(cell, spacing)
      for coordinate in _coordinates(numbers, fractional, steps):
        for contexts in coordinate.chains:
          self._frequencies.add(coordinate.symbol, contexts)
    chosen = np.random.default_rng(1).permutation(len(train))[:fit]
    seen = []
    for i in chosen:
      numbers, fractional, cell = train[i]
      steps = axis_steps(cell, spacing)
      for coordinate in _coordinates(numbers, fractional, steps):
        seen.append((coordinate.mixing, self._shares(coordinate)))
    for _ in range(8):
      self._mixture.refit(seen)

  def cost(self, numbers, fractional, steps):
    """Cost of the crystal, nats."""
    cost = 0.0
    for coordinate in _coordinates(numbers, fractional, steps):
      weights = self._mixture.weights(coordinate.mixing)
      cost -= math.log(weights @ self._shares(coordinate))
    return cost

  def _shares(self, coordinate):
    """Probability of the symbol by each prediction, among possible ones."""
    size, symbol = coordinate.size, coordinate.symbol
    min_symbol = coordinate.min_symbol
    shares = []
    for contexts in coordinate.chains:
      predicted = self._frequencies.shares(size, contexts)
      shares.append(predicted[symbol] / predicted[min_symbol:].sum())
    copied = np.full(size, 0.02 / size)
    for value in coordinate.known:
      for signed in (value, -value):
        for shift in (0.0, 0.5):
          copied[round((signed + shift) * size) % size] += 1
    shares.append(copied[symbol] / copied[min_symbol:].sum())
    return np.array(shares)


def axis_steps(cell, spacing):
  """Numbers of steps of the axes, [3]."""
  fewest = np.linalg.norm(cell, axis=1) / spacing
  return STEPS[np.minimum(np.searchsorted(STEPS, fewest), len(STEPS) - 1)]


class _Coordinate:
  """One coordinate: its step, the number of steps, and its contexts."""

  def __init__(self, symbol, size, min_symbol, chains, known, mixing):
    self.symbol, self.size, self.min_symbol = symbol, size, min_symbol
    self.chains, self.known, self.mixing = chains, known, mixing


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
    same = i > 0 and numbers[i - 1] == number
    tied = same
    for axis in range(3):
      size, symbol = int(steps[axis]), int(position[axis])
      before = int(rounded[i - 1, axis])
      last = position[axis - 1] / steps[axis - 1] if axis else None
      yield _Coordinate(
        symbol,
        size,
        before if tied else 0,
        [
          [('n', size), ('n', size, axis)],
          [('n', size), ('p', size, before, same, tied)],
          [('n', size), ('l', size, axis, last)],
        ],
        known,
        (axis, same, tied, min(len(known), 8)),
      )
      tied = tied and symbol == before
      known = [*known, symbol / size]


def _origin(numbers):
  """The atom at the origin: the first one of the rarest species."""
  elements, counts = np.unique(numbers, return_counts=True)
  rarest = elements[counts == counts.min()].max()
  return int(np.argmax(numbers == rarest))
