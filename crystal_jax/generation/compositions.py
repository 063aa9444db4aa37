"""Compositions sampled from the prior, under constraints.

A formula is sampled element by element (`networks.CompositionNet`). A
constraint only removes choices; the remaining ones keep their relative
probabilities.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Collection, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PyTree

from crystal_jax.generation.conditions import Conditions
from crystal_jax.generation.networks import element_order
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.structure import elements
from crystal_jax.structure.composition import Contents

# Number of rows that are evaluated together.
_ROWS = 64
# Maximum number of required elements for which all compositions are enumerated;
# four elements have 4,845 in a cell of 20 atoms.
_ENUMERATED = 4


@dataclasses.dataclass(frozen=True)
class Choice:
  """Which compositions may be sampled.

  Attributes:
    contents: A formula, a number of atoms, both or none.
    allowed: Atomic numbers that may occur.
    required: Atomic numbers that must occur, and no others; None: any.
  """

  contents: Contents
  allowed: frozenset[int]
  required: frozenset[int] | None = None


class Compositions:
  """Draws compositions from a prior; on the host."""

  def __init__(
    self, networks: PriorNetworks, params: PyTree, temperature: float = 1.0
  ):
    """A sampler.

    Args:
      networks: The networks.
      params: Their parameters.
      temperature: Divides the logits of an element's number of atoms; below 1,
        ratios are more often those that charges allow.
    """
    self._networks, self._params = networks, params
    self._temperature = temperature

  def draw(
    self,
    generators: Sequence[np.random.Generator],
    given: Conditions,
    choice: Choice,
  ) -> Int[np.ndarray, 'B E']:
    """Atoms of each element by atomic number, hydrogen first.

    Args:
      generators: One for each draw, so that no draw depends on the others.
      given: The other conditions, one row that all draws share.
      choice: What may be sampled.

    Raises:
      ValueError: If no composition meets the choice.
    """
    if choice.contents.unit is not None:
      return self._multiples(generators, given, choice.contents)
    if choice.required is not None and len(choice.required) <= _ENUMERATED:
      return self._of_elements(generators, given, choice)
    return self._formulas(generators, given, choice)

  def log_shares(
    self, counts: Int[np.ndarray, 'B E'], given: Conditions
  ) -> Float[np.ndarray, 'B']:
    """Logarithms of the probabilities of compositions, nats.

    Args:
      counts: Atoms of each element by atomic number.
      given: The other conditions, one row.
    """
    counts = np.asarray(counts)[:, element_order() - 1]
    total = counts.sum(1)
    none = np.zeros_like(counts)
    found = self._logits(none, total, 0 * total, given)
    rows = np.arange(len(counts))
    shares = _log_softmax(found[0])[rows, total - 1].astype(np.float64)
    for step in range(int((counts > 0).sum(1).max())):
      order_index = np.cumsum(counts > 0, axis=1) - 1
      here = (counts > 0) & (order_index == step)
      before = np.where((counts > 0) & (order_index < step), counts, 0)
      element, remaining = here.argmax(1), total - before.sum(1)
      _, which, many = self._logits(before, total, element, given)
      which = np.where(_after(before), which, -np.inf)
      atoms = np.arange(1, many.shape[1] + 1)
      many = np.where(atoms[None] <= remaining[:, None], many, -np.inf)
      index = np.maximum(counts[rows, element] - 1, 0)
      # Rows that ended before have nothing open: their shares are not used.
      ended = ~here.any(1, keepdims=True)
      step_shares = (
        _log_softmax(np.where(ended, 0, which))[rows, element]
        + _log_softmax(np.where(ended, 0, many))[rows, index]
      )
      shares += np.where(ended[:, 0], 0, step_shares)
    return shares

  def _multiples(self, generators, given, contents):
    """So many formula units as are asked for, or as the prior has it."""
    max_units = self._networks.max_atoms // contents.unit_size
    if contents.units is not None:
      units = np.full(len(generators), contents.units)
    else:
      counts = np.stack([_counts(contents, n) for n in range(1, max_units + 1)])
      shares = np.exp(_log_softmax(self.log_shares(counts, given)[None])[0])
      units = np.array(
        [1 + r.choice(max_units, p=shares / shares.sum()) for r in generators]
      )
    return np.stack([_counts(contents, int(n)) for n in units])

  def _of_elements(self, generators, given, choice):
    """Compositions of exactly the required elements, by enumeration.

    Drawing element by element would ignore that no further element may follow.
    """
    numbers = sorted(choice.required & choice.allowed)
    units, max_atoms = choice.contents.units, self._networks.max_atoms
    if len(numbers) < len(choice.required):
      raise ValueError('No element is left to draw from.')
    if units is not None and units < len(numbers):
      raise ValueError(f'{units} atoms cannot be of {len(numbers)} elements.')
    totals = range(len(numbers), max_atoms + 1) if units is None else [units]
    cells = [
      np.diff([0, *cut, total])
      for total in totals
      for cut in itertools.combinations(range(1, total), len(numbers) - 1)
    ]
    counts = np.zeros((len(cells), elements.MAX_NUMBER), np.int64)
    counts[:, np.array(numbers) - 1] = cells
    shares = np.exp(_log_softmax(self.log_shares(counts, given)[None])[0])
    chosen = [r.choice(len(counts), p=shares) for r in generators]
    return counts[chosen]

  def _formulas(self, generators, given, choice):
    """Element by element."""
    sequence = element_order()
    allowed = np.isin(sequence, [*choice.allowed])
    required = np.isin(sequence, [*(choice.required or ())])
    if choice.required is not None:
      allowed &= required
    if not allowed.any():
      raise ValueError('No element is left to draw from.')
    size, max_atoms = len(generators), self._networks.max_atoms
    counts = np.zeros((size, len(sequence)), np.int64)
    total = self._totals(generators, given, choice, int(required.sum()))
    rows = np.arange(size)
    while (remaining := total - counts.sum(1)).any():
      active = remaining > 0
      ones = np.zeros(size, np.int64)
      _, which, _ = self._logits(counts, total, ones, given)
      open_ = _after(counts) & allowed[None]
      missing = required[None] & (counts == 0)
      if required.any():  # The next of them, and no later one.
        first = missing.argmax(1)
        open_ &= np.arange(len(sequence))[None] == first[:, None]
      element = _choices(generators, which, open_, active)
      _, _, many = self._logits(counts, total, element, given)
      atoms = np.arange(1, max_atoms + 1)[None]
      later = (missing.sum(1) - 1 if required.any() else 0 * remaining)[:, None]
      open_ = atoms <= remaining[:, None] - later
      follows = (np.arange(len(sequence))[None] > element[:, None]) & allowed
      is_last = ~follows.any(1)
      if required.any():
        is_last = missing.sum(1) <= 1
      open_ &= (atoms == remaining[:, None]) | ~is_last[:, None]
      number = 1 + _choices(generators, many, open_, active)
      counts[rows[active], element[active]] = number[active]
    found = np.zeros((size, elements.MAX_NUMBER), np.int64)
    found[:, sequence - 1] = counts
    return found

  def _totals(self, generators, given, choice, fewest):
    """Atoms of each cell."""
    size, max_atoms = len(generators), self._networks.max_atoms
    if choice.contents.units is not None:
      if choice.contents.units < fewest:
        raise ValueError(
          f'{choice.contents.units} atoms cannot be of {fewest} elements.'
        )
      return np.full(size, choice.contents.units)
    none = np.zeros((size, elements.MAX_NUMBER), np.int64)
    ones = np.zeros(size, np.int64)
    logits, _, _ = self._logits(none, ones, ones, given)
    open_ = np.broadcast_to(np.arange(1, max_atoms + 1) >= fewest, logits.shape)
    return 1 + _choices(generators, logits, open_, np.ones(size, bool))

  def _logits(self, before, total, element, given):
    """See `PriorNetworks.composition_logits`; any number of rows."""
    parts = []
    for start in range(0, len(before), _ROWS):
      rows = np.arange(start, min(start + _ROWS, len(before)))
      filled = np.resize(rows, _ROWS)
      found = _logits(
        self._networks,
        self._params,
        before[filled].astype(np.float32),
        total[filled].astype(np.int32),
        element[filled].astype(np.int32),
        jax.tree.map(lambda x: np.repeat(x, _ROWS, axis=0), given),
      )
      parts.append([np.asarray(each)[: len(rows)] for each in found])
    totals, which, many = (
      np.concatenate(each) for each in zip(*parts, strict=True)
    )
    return totals, which, many / self._temperature


@functools.partial(jax.jit, static_argnames='networks')
def _logits(networks, params, before, total, element, given):
  given = jax.tree.map(jnp.asarray, given)
  return networks.composition_logits(params, before, total, element, given)


def _counts(contents: Contents, units: int) -> Int[np.ndarray, 'E']:
  numbers = contents.numbers(units)
  return np.bincount(numbers - 1, minlength=elements.MAX_NUMBER)


def _after(counts) -> Bool[np.ndarray, 'B E']:
  """Whether each element comes after all elements that already occur."""
  index = np.arange(counts.shape[1])[None]
  last = np.where(counts > 0, index, -1).max(1, keepdims=True)
  return index > last


def _choices(generators, logits, open_, active):
  """A choice of each row among those that are open; 0 if it is not active."""
  found = np.zeros(len(logits), np.int64)
  for row in np.flatnonzero(active):
    values = np.where(open_[row], logits[row].astype(np.float64), -np.inf)
    shares = np.exp(values - values.max())
    u = generators[row].random()
    found[row] = np.searchsorted(np.cumsum(shares) / shares.sum(), u)
  return found


def _log_softmax(logits):
  logits = np.asarray(logits, np.float64)
  shifted = logits - logits.max(-1, keepdims=True)
  return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def known_numbers(symbols: Collection[str] | None) -> frozenset[int]:
  """Atomic numbers of a card's elements; all if it does not say."""
  if symbols is None:
    return frozenset(range(1, elements.MAX_NUMBER + 1))
  return frozenset(elements.number(symbol) for symbol in symbols)
