"""Uniqueness and novelty of crystals, by pymatgen's `StructureMatcher`.

Only crystals of one reduced formula are compared: others do not match. The
matcher has its default tolerances (0.2 of a length, 5°, 0.3 (V/N)^(1/3)) and
rescales volumes.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.published_matcher import to_structure
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.crystal import Crystal

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
  groups: dict[str, list[int]] = collections.defaultdict(list)
  for index, crystal in enumerate(samples):
    groups[_formula(crystal)].append(index)
  known_groups: dict[str, list[Crystal]] = collections.defaultdict(list)
  for crystal in known:
    formula = _formula(crystal)
    if formula in groups:
      known_groups[formula].append(to_host(crystal))
  tasks = [
    ([to_host(samples[i]) for i in indices], known_groups.get(formula, []))
    for formula, indices in groups.items()
  ]
  unique, novel = np.zeros((2, len(samples)), bool)
  failures: dict[int, str] = {}
  results = isolated_map(
    compare_group, tasks, workers=workers, time_limit=_TIME_LIMIT, batch=1
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
  from pymatgen.analysis.structure_matcher import StructureMatcher

  matcher = StructureMatcher()
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    # Primitive cells once, not in each comparison.
    samples, known = (
      [to_structure(crystal).get_primitive_structure() for crystal in group]
      for group in task
    )
    distinct: list = []
    unique, novel = [], []
    for sample in samples:
      is_new = not any(matcher.fit(sample, other) for other in distinct)
      if is_new:
        distinct.append(sample)
      unique.append(is_new)
      novel.append(not any(matcher.fit(sample, other) for other in known))
  return unique, novel


def _formula(crystal: Crystal) -> str:
  numbers = np.asarray(crystal.numbers)
  return reduced_formula(numbers[numbers > 0])
