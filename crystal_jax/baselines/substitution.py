"""Known crystals with ions exchanged for others of the same charge.

pymatgen's `SubstitutionProbability` gives the probability of each exchange,
mined from known crystals. Charges stay balanced; the cell is scaled to the
volume of the new atoms. Crystals without oxidation states, such as alloys, are
skipped.

References:
  Hautier et al., Inorganic Chemistry 50, 656 (2011).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Int

from crystal_jax.structure import elements
from crystal_jax.structure.composition import formula, unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.pair_statistics import PairStatistics

# Number of known crystals that are tried for each structure.
_NUM_TEMPLATES = 50
# An ion: atomic number and charge.
Ion = tuple[int, int]


def substituted_structures(
  known: Sequence[Crystal],
  number: int,
  statistics: PairStatistics,
  *,
  seed: int = 0,
) -> list[Crystal | str]:
  """Structures of random known crystals with ions exchanged.

  Args:
    known: Known crystals.
    number: Number of structures.
    statistics: Volumes of known crystals.
    seed: Seed of all random numbers; no structure depends on the others.

  Returns:
    A structure or the reason why there is none, for each.

  Raises:
    ValueError: If there are no known crystals.
  """
  if not known:
    raise ValueError('Need known crystals to exchange ions in.')
  return [
    _substituted(np.random.default_rng([seed, index]), known, statistics)
    for index in range(number)
  ]


def exchange(
  crystal: Crystal, generator: np.random.Generator, statistics: PairStatistics
) -> Crystal | None:
  """The crystal with at least one ion exchanged; None if no exchange is known.

  Args:
    crystal: One crystal without empty slots.
    generator: Generator of random numbers.
    statistics: Volumes of known crystals.
  """
  numbers = np.asarray(crystal.numbers)
  charges = oxidation_states(unit_of(numbers))
  if charges is None:
    return None
  ions = sorted(charges.items())
  changed = int(generator.integers(len(ions)))
  exchanges: dict[int, int] = {}
  for index, ion in enumerate(ions):
    candidates, shares = _candidates(ion)
    taken = [*exchanges.values()] + [ion[0]] * (index == changed)
    shares = np.where(np.isin(candidates, taken), 0.0, shares)
    if not shares.sum() > 0:
      return None
    choice = generator.choice(len(candidates), p=shares / shares.sum())
    exchanges[ion[0]] = int(candidates[choice])
  new = np.array([exchanges[int(z)] for z in numbers], np.int32)
  return _scaled(crystal, new, statistics)


def exchange_one(
  crystal: Crystal,
  generator: np.random.Generator,
  statistics: PairStatistics,
  allowed: Collection[int] | None = None,
) -> Crystal | None:
  """The crystal with one random element exchanged for any other.

  Unlike `exchange`, it needs no charges in the given crystal, and the new
  element need not have the charge of the old one.

  Args:
    crystal: One crystal without empty slots.
    generator: Generator of random numbers.
    statistics: Volumes of known crystals.
    allowed: Atomic numbers of new elements; None: all.

  Returns:
    The new crystal, its cell scaled to the volume of the new atoms; None if its
    charges do not balance.
  """
  numbers = np.asarray(crystal.numbers)
  present = set(numbers.tolist())
  candidates = allowed or range(1, elements.MAX_NUMBER + 1)
  old = generator.choice(sorted(present))
  new = generator.choice(sorted(set(candidates) - present))
  changed = np.where(numbers == old, new, numbers).astype(np.int32)
  if oxidation_states(unit_of(changed)) is None:
    return None
  return _scaled(crystal, changed, statistics)


def _scaled(
  crystal: Crystal, numbers: Int[np.ndarray, 'N'], statistics: PairStatistics
) -> Crystal:
  """The crystal with other species, at the volume of these."""
  before = statistics.volume(np.asarray(crystal.numbers))
  scale = np.cbrt(statistics.volume(numbers) / before)
  return Crystal(
    numbers,
    np.asarray(crystal.positions) * scale,
    np.asarray(crystal.cell) * scale,
  )


@functools.lru_cache(maxsize=100_000)
def oxidation_states(
  unit: tuple[tuple[int, int], ...],
) -> dict[int, int] | None:
  """The most likely integer charge of each element; None if none balance.

  Args:
    unit: Atomic number and number of atoms of each element of a formula unit.
  """
  from pymatgen.core import Composition

  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    guesses = Composition(formula(unit)).oxi_state_guesses()
  for guess in guesses:
    if all(value and value == int(value) for value in guess.values()):
      return {elements.number(str(s)): int(v) for s, v in guess.items()}
  return None


def _substituted(generator, known, statistics) -> Crystal | str:
  for _ in range(_NUM_TEMPLATES):
    template = known[int(generator.integers(len(known)))]
    found = exchange(template, generator, statistics)
    if found is not None:
      return found
  return (
    f'none of {_NUM_TEMPLATES} known crystals has ions that can be exchanged'
  )


@functools.cache
def _candidates(ion: Ion) -> tuple[Int[np.ndarray, 'M'], np.ndarray]:
  """Elements that have the charge of an ion, and their probabilities."""
  from pymatgen.core import Species

  table = _probabilities()
  numbers = np.array(
    sorted(
      {
        s.Z
        for s in table.species
        if s.oxi_state == ion[1] and s.Z <= elements.MAX_NUMBER
      }
    ),
    int,
  )
  own = Species(elements.symbol(ion[0]), ion[1])
  shares = [
    table.prob(own, Species(elements.symbol(int(z)), ion[1])) for z in numbers
  ]
  return numbers, np.array(shares, float)


@functools.cache
def _probabilities():
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    from pymatgen.analysis.structure_prediction import substitution_probability

    return substitution_probability.SubstitutionProbability()
