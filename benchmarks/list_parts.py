"""Parts of the list code: nats of species, lattice and positions.

Each part counts frequencies in standard frames (numbers, fractional, cell) and
returns the cost of a crystal. See `benchmarks.list_code`.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.list_models import Frequencies, Mixture
from crystal_jax.representation import lattice_numbers

# Possible numbers of grid steps of an axis.
STEPS = np.array([2, 4, 6, 8, 12, 16, 18, 24, 30, 36, 48, 60, 72, 96, 120, 144,
                  192, 240, 288, 384, 480, 600, 720, 960, 1200])  # fmt: skip
# Maximum number of atoms of a cell, and atomic numbers.
_MAX_ATOMS, _ELEMENTS = 20, 95


def axis_steps(cell, spacing):
  """Numbers of steps of the axes, [3]."""
  fewest = np.linalg.norm(cell, axis=1) / spacing
  return STEPS[np.minimum(np.searchsorted(STEPS, fewest), len(STEPS) - 1)]


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
