"""Screening of sampled crystals: implausible ones are dropped, step by step.

In this order: distances below those of known crystals, charges that cannot
balance, crystals that match an earlier one, crystals that are known, and, if
requested, energies far above the hull. Each step tests the crystals that the
steps before kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.matching import to_host
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.pair_statistics import (
  TOLERANCE,
  PairStatistics,
  shipped,
  too_near,
)


@dataclasses.dataclass(frozen=True)
class Step:
  """One step of the screening.

  Attributes:
    name: Name of the property that is tested.
    tested: Number of crystals tested.
    dropped: Number of crystals dropped.
  """

  name: str
  tested: int
  dropped: int

  def __str__(self):
    share = self.dropped / self.tested if self.tested else 0.0
    return f'{self.name}: dropped {self.dropped} of {self.tested} ({share:.1%})'


@dataclasses.dataclass(frozen=True)
class Screening:
  """Result of a screening.

  Attributes:
    dropped: Step and reason of each dropped crystal, by index.
    steps: The steps, in order.
  """

  dropped: Mapping[int, tuple[str, str]]
  steps: Sequence[Step]


def screen(
  crystals: Sequence[Crystal | None],
  *,
  known: Sequence[Crystal] | None = None,
  statistics: PairStatistics | None = None,
  tolerance: float = TOLERANCE,
  energy: Callable[[Crystal], str | None] | None = None,
  workers: int | None = 0,
) -> Screening:
  """Screens crystals; entries that are None are not counted.

  Args:
    crystals: Sampled crystals.
    known: Crystals; a sample that matches one of them is not novel. None:
      novelty is not tested.
    statistics: Distances of known crystals; None: those of the package.
    tolerance: Smallest allowed distance, as a share of that of known crystals.
    energy: Function that returns why a crystal's energy is too high, or None;
      None: energies are not tested.
    workers: Number of processes that compare crystals; 0: this one.
  """
  statistics = shipped() if statistics is None else statistics
  hosts = {i: to_host(c) for i, c in enumerate(crystals) if c is not None}
  kept = [*hosts]
  dropped: dict[int, tuple[str, str]] = {}
  steps: list[Step] = []

  def apply(name, reasons: Mapping[int, str]):
    dropped.update({i: (name, why) for i, why in reasons.items()})
    steps.append(Step(name, len(kept), len(reasons)))
    kept[:] = [i for i in kept if i not in reasons]

  def each(why: Callable[[Crystal], str | None]) -> dict[int, str]:
    reasons = {i: why(hosts[i]) for i in kept}
    return {i: reason for i, reason in reasons.items() if reason is not None}

  apply('distances', each(lambda c: too_near(c, statistics, tolerance)))
  if validity.has_smact():
    apply('charges', each(_unbalanced))
  is_unique, is_novel = _distinct([hosts[i] for i in kept], known, workers)
  rows = dict(zip(kept, zip(is_unique, is_novel, strict=True), strict=True))
  duplicates = {i: 'matches an earlier draw' for i in kept if not rows[i][0]}
  apply('duplicates', duplicates)
  if known is not None:
    apply('novelty', {i: 'is known' for i in kept if not rows[i][1]})
  if energy is not None:
    apply('energy', each(energy))
  return Screening(dropped, steps)


def _unbalanced(crystal: Crystal) -> str | None:
  if validity.is_valid_composition(np.asarray(crystal.numbers)):
    return None
  return 'SMACT finds no oxidation states that balance'


def _distinct(crystals, known, workers):
  """Unique and novel flags; a crystal that cannot be compared is neither."""
  from crystal_jax.evaluation.samples import distinct

  found = distinct.find_distinct(crystals, known or [], workers=workers)
  return found.unique.tolist(), found.novel.tolist()
