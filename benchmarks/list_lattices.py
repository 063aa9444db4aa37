"""Nats of the lattice of a list code.

Frequencies are counted in standard frames (numbers, fractional, cell). See
`benchmarks.list_code`.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.list_models import Frequencies
from crystal_jax.representation import lattice_numbers


class Lattices:
  """The reduced cell, rounded in logarithms of lengths and in cosines."""

  def __init__(self, train, step, volumes):
    self._step, self._volumes = step, volumes
    self._frequencies = Frequencies()
    for numbers, _, cell in train:
      for symbol, _, contexts in self._symbols(self.bins(cell), numbers):
        self._frequencies.add(symbol, contexts)

  def bins(self, cell):
    """Five numbers of the shape and one of the size, in steps."""
    six = lattice_numbers.to_numbers(cell)
    shape = [six[1] - six[0], six[2] - six[1], *six[3:]]
    return [int(np.rint(x / self._step)) for x in (*shape, six[0])]

  def cell(self, bins):
    """The cell of the bins; None if no cell has these angles."""
    ratio, other, *cosines, size = (self._step * x for x in bins)
    return lattice_numbers.to_cell(
      [size, size + ratio, size + ratio + other, *cosines]
    )

  def cost(self, bins, numbers):
    """Cost of the crystal, nats."""
    return -sum(
      math.log(self._frequencies.share(symbol, size, contexts))
      for symbol, size, contexts in self._symbols(bins, numbers)
    )

  def plain_cost(self):
    """Nats of lengths of 2 to 30 Å and angles of 60° to 120°, uniform."""
    return 3 * math.log(math.log(15) / self._step) + 3 * math.log(
      1 / self._step
    )

  def _symbols(self, bins, numbers):
    """Symbols, each with the number of possible ones and its contexts."""
    ratio, other, alpha, beta, gamma, size = bins
    long, wide = math.ceil(3 / self._step), math.ceil(2 / self._step)
    equal = ratio == 0, other == 0
    half = round(0.5 / self._step)
    yield ratio, long, ['r', ('r', len(numbers))]
    yield other, long, ['o', ('o', equal[0]), ('o', ratio)]
    yield gamma, wide, ['g', ('g', equal), ('g', *equal, len(numbers))]
    special = gamma if gamma in (0, half, -half) else 'free'
    yield alpha, wide, ['a', ('a', special), ('a', *equal, special, gamma)]
    both = alpha if alpha in (0, half, -half) else 'free'
    yield beta, wide, ['b', ('b', both, special), ('b', *equal, alpha, gamma)]
    # The size given shape and species: the difference from the expected one.
    a, b, c = (self._step * x for x in (alpha, beta, gamma))
    flat = max(1 - a * a - b * b - c * c + 2 * a * b * c, 1e-4)
    shape = 0.5 * math.log(flat) + self._step * (2 * ratio + other)
    expected = (math.log(self._volumes[numbers].sum()) - shape) / 3
    symbol = size - round(expected / self._step)
    yield symbol, math.ceil(1 / self._step), ['s', ('s', len(set(numbers)))]
