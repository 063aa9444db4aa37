"""Compositions sampled from the prior, under constraints.

A formula is sampled element by element (`composition_model`). A constraint only
removes choices; the remaining ones keep their relative probabilities.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from crystal_jax.generation.composition_model import (
  CompositionModel,
  after_last,
  log_softmax,
)
from crystal_jax.generation.conditions import Conditions
from crystal_jax.generation.networks import element_order
from crystal_jax.structure import elements
from crystal_jax.structure.composition import Contents

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


def draw(
  model: CompositionModel,
  generators: Sequence[np.random.Generator],
  given: Conditions,
  choice: Choice,
) -> Int[np.ndarray, 'B E']:
  """Atoms of each element by atomic number, hydrogen first.

  Args:
    model: Probabilities of compositions.
    generators: One for each draw, so that no draw depends on the others.
    given: The other conditions, one row that all draws share.
    choice: Which compositions may be sampled.

  Raises:
    ValueError: If no composition meets the choice.
  """
  if choice.contents.unit is not None:
    return _multiples(model, generators, given, choice.contents)
  if choice.required is not None and len(choice.required) <= _ENUMERATED:
    return _of_elements(model, generators, given, choice)
  return _formulas(model, generators, given, choice)


def _multiples(model, generators, given, contents):
  """As many formula units as required, or a number sampled from the prior."""
  max_units = model.max_atoms // contents.unit_size
  if contents.units is not None:
    units = np.full(len(generators), contents.units)
  else:
    counts = np.stack([_counts(contents, n) for n in range(1, max_units + 1)])
    shares = np.exp(log_softmax(model.log_shares(counts, given)[None])[0])
    units = np.array(
      [
        1 + generator.choice(max_units, p=shares / shares.sum())
        for generator in generators
      ]
    )
  return np.stack([_counts(contents, int(n)) for n in units])


def _counts(contents: Contents, units: int) -> Int[np.ndarray, 'E']:
  numbers = contents.numbers(units)
  return np.bincount(numbers - 1, minlength=elements.MAX_NUMBER)


def _of_elements(model, generators, given, choice):
  """Compositions of exactly the required elements, by enumeration.

  Drawing element by element would ignore that no further element may follow.
  """
  numbers = sorted(choice.required & choice.allowed)
  units, max_atoms = choice.contents.units, model.max_atoms
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
  shares = np.exp(log_softmax(model.log_shares(counts, given)[None])[0])
  chosen = [generator.choice(len(counts), p=shares) for generator in generators]
  return counts[chosen]


def _formulas(model, generators, given, choice):
  """Compositions sampled element by element."""
  sequence = element_order()
  allowed = np.isin(sequence, [*choice.allowed])
  required = np.isin(sequence, [*(choice.required or ())])
  if choice.required is not None:
    allowed &= required
  if not allowed.any():
    raise ValueError('No element is left to draw from.')
  size = len(generators)
  counts = np.zeros((size, len(sequence)), np.int64)
  total = _totals(model, generators, given, choice, int(required.sum()))
  rows, index = np.arange(size), np.arange(len(sequence))[None]
  atoms = np.arange(1, model.max_atoms + 1)[None]
  while (remaining := total - counts.sum(1)).any():
    active = remaining > 0
    # The element does not change the logits of elements.
    _, element_logits, _ = model.logits(
      counts, total, np.zeros(size, np.int64), given
    )
    missing = required[None] & (counts == 0)
    is_open = after_last(counts) & allowed[None]
    if required.any():  # The next of them, and no later one.
      is_open &= index == missing.argmax(1)[:, None]
    element = _choices(generators, element_logits, is_open, active)
    _, _, atom_logits = model.logits(counts, total, element, given)
    # The last element takes all that remain; each later one needs an atom.
    if required.any():
      is_last, later = missing.sum(1) <= 1, missing.sum(1) - 1
    else:
      is_last = ~((index > element[:, None]) & allowed).any(1)
      later = np.zeros(size, np.int64)
    is_open = atoms <= (remaining - later)[:, None]
    is_open &= (atoms == remaining[:, None]) | ~is_last[:, None]
    number = 1 + _choices(generators, atom_logits, is_open, active)
    counts[rows[active], element[active]] = number[active]
  found = np.zeros((size, elements.MAX_NUMBER), np.int64)
  found[:, sequence - 1] = counts
  return found


def _totals(model, generators, given, choice, fewest):
  """Number of atoms of each cell."""
  size = len(generators)
  if choice.contents.units is not None:
    if choice.contents.units < fewest:
      raise ValueError(
        f'{choice.contents.units} atoms cannot be of {fewest} elements.'
      )
    return np.full(size, choice.contents.units)
  none = np.zeros((size, elements.MAX_NUMBER), np.int64)
  zeros = np.zeros(size, np.int64)
  # Neither total nor element changes the logits of totals.
  logits, _, _ = model.logits(none, zeros, zeros, given)
  is_open = np.arange(1, model.max_atoms + 1) >= fewest
  is_open = np.broadcast_to(is_open, logits.shape)
  return 1 + _choices(generators, logits, is_open, np.ones(size, bool))


def _choices(generators, logits, is_open, active):
  """An open class of each row, sampled by the logits; 0 if it is not active."""
  found = np.zeros(len(logits), np.int64)
  for row in np.flatnonzero(active):
    values = np.where(is_open[row], logits[row].astype(np.float64), -np.inf)
    shares = np.exp(values - values.max())
    u = generators[row].random()
    found[row] = np.searchsorted(np.cumsum(shares) / shares.sum(), u)
  return found
