"""Uniqueness and novelty of crystals, by pymatgen's `StructureMatcher`.

Only crystals of one reduced formula are compared: others do not match. The
matcher has its default tolerances (0.2 of a length, 5°, 0.3 (V/N)^(1/3)) and
rescales volumes.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool

from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.published_matcher import to_structure
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from pymatgen.core import Structure

# Seconds for all crystals of one formula.
_TIME_LIMIT = 600.0


class Distinct(NamedTuple):
  """Flags of samples.

  Attributes:
    unique: Whether no earlier sample matches.
    novel: Whether no known crystal matches.
    failures: Index and reason of samples that could not be compared; they are
      neither unique nor novel.
  """

  unique: Bool[np.ndarray, 'M']
  novel: Bool[np.ndarray, 'M']
  failures: dict[int, str]


def find_distinct(
  samples: Sequence[Crystal],
  known: Sequence[Crystal],
  *,
  workers: int | None = None,
) -> Distinct:
  """Compares samples with each other and with known crystals.

  Args:
    samples: Generated crystals.
    known: The training set.
    workers: Processes; see `isolated_map`.
  """
  hosts = [to_host(crystal) for crystal in samples]
  groups: dict[tuple, list[int]] = collections.defaultdict(list)
  for index, crystal in enumerate(hosts):
    groups[unit_of(crystal.numbers)].append(index)
  known_groups: dict[tuple, list[Crystal]] = collections.defaultdict(list)
  for crystal in map(to_host, known):
    unit = unit_of(crystal.numbers)
    if unit in groups:
      known_groups[unit].append(crystal)
  tasks = [
    ([hosts[i] for i in indices], known_groups.get(unit, []))
    for unit, indices in groups.items()
  ]
  unique, novel = np.zeros((2, len(samples)), bool)
  failures: dict[int, str] = {}
  results = isolated_map(
    compare_group,
    tasks,
    workers=workers,
    time_limit=_TIME_LIMIT,
    batch=1,
    progress='unique and novel, by formula',
  )
  for indices, result in zip(groups.values(), results, strict=True):
    if isinstance(result, Failure):
      failures |= dict.fromkeys(indices, result.reason)
    else:
      unique[indices], novel[indices] = result
  return Distinct(unique, novel, failures)


def compare_group(
  task: tuple[Sequence[Crystal], Sequence[Crystal]],
) -> tuple[list[bool], list[bool]]:
  """Unique and novel flags of samples of one formula."""
  samples, known = task
  if len(samples) == 1 and not known:
    return [True], [True]
  matches = _Matches()
  distinct: list[Crystal] = []
  unique, novel = [], []
  for sample in samples:
    is_new = not any(matches(sample, other) for other in distinct)
    if is_new:
      distinct.append(sample)
    unique.append(is_new)
    novel.append(not any(matches(sample, other) for other in known))
  return unique, novel


class _Matches:
  """Whether two crystals match; each of them is reduced once."""

  def __init__(self) -> None:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    self._matcher = StructureMatcher()
    self._reduced: dict[int, Structure] = {}

  def __call__(self, first: Crystal, second: Crystal) -> bool:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      structures = self._reduce(first), self._reduce(second)
      # Primitive cells of two sizes do not match.
      return len(structures[0]) == len(structures[1]) and self._matcher.fit(
        *structures, skip_structure_reduction=True
      )

  def _reduce(self, crystal: Crystal) -> Structure:
    """The structure that the matcher itself would reduce a crystal to."""
    if id(crystal) not in self._reduced:
      reduced = to_structure(crystal).get_reduced_structure('niggli')
      self._reduced[id(crystal)] = reduced.get_primitive_structure()
    return self._reduced[id(crystal)]
