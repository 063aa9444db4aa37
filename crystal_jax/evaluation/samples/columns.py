"""The two columns of sample scores: the samples, and the held-out crystals."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.samples import coverage as coverage_lib
from crystal_jax.evaluation.samples import distinct, distributions, prediction
from crystal_jax.evaluation.samples.reference import Reference
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.crystal import Crystal

# Upper limits of the size bins, atoms of the cell.
SIZES = 4, 8, 12, 20
# Seed of the training crystals that stand for samples.
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Options:
  """What to evaluate.

  Attributes:
    k: Candidates per composition.
    composition: Whether to evaluate the validity of compositions.
    coverage: Whether to evaluate coverage.
    workers: Processes.
    left_out: Metrics that are not evaluated, with the reason.
  """

  k: int
  composition: bool
  coverage: bool
  workers: int | None
  left_out: Mapping[str, str]


def make_options(k: int, coverage: bool | None, workers: int | None) -> Options:
  """Options of what is installed.

  Raises:
    ValueError: If k is not positive, or coverage is asked for and `matminer` is
      not installed.
  """
  if k < 1:
    raise ValueError(f'Need a positive {k=}.')
  install = "`pip install 'crystal_jax[eval]'` installs it"
  left_out = {}
  if not validity.has_smact():
    left_out['validity of compositions'] = f'smact is missing; {install}'
  if coverage is None and not coverage_lib.has_matminer():
    left_out['coverage'] = f'matminer is missing; {install}'
  elif coverage is False:
    left_out['coverage'] = 'not asked for'
  elif not coverage_lib.has_matminer():
    raise ValueError(f'coverage needs matminer; {install}.')
  return Options(
    k=k,
    composition=validity.has_smact(),
    coverage='coverage' not in left_out,
    workers=workers,
    left_out=left_out,
  )


def score_samples(
  samples: Sequence[Crystal | str], reference: Reference, options: Options
) -> tuple[dict[str, float], list[dict[str, Any]]]:
  """Metrics of samples, and one row for each of them.

  Args:
    samples: Crystals, or the reasons why a sample has none.
    reference: The data set.
    options: What to evaluate.
  """
  metrics, rows = _score_each(samples, reference.train, options)
  crystals = [sample for sample in samples if isinstance(sample, Crystal)]
  valid = [
    sample
    for sample, row in zip(samples, rows, strict=True)
    if isinstance(sample, Crystal) and _is_valid(row)
  ]
  metrics |= distributions.wasserstein(valid, reference.heldout)
  missing = len(samples) - len(crystals)
  metrics |= _coverage(crystals, reference.heldout, options, missing)
  metrics |= prediction.score_predictions(
    crystals,
    reference.heldout,
    k=options.k,
    gate=options.composition,
    workers=options.workers,
  )
  return metrics, rows


def score_heldout(
  number: int, reference: Reference, options: Options
) -> dict[str, float]:
  """The same metrics of held-out crystals.

  Distances and coverage are those of `number` training crystals against the
  held-out ones.
  """
  metrics, _ = _score_each(reference.heldout, reference.train, options)
  order = np.random.default_rng(_SEED).permutation(len(reference.train))
  known = [reference.train[i] for i in order[:number]]
  metrics |= distributions.wasserstein(known, reference.heldout)
  return metrics | _coverage(known, reference.heldout, options)


def _score_each(
  samples: Sequence[Crystal | str], train: Sequence[Crystal], options: Options
) -> tuple[dict[str, float], list[dict[str, Any]]]:
  """Validity, uniqueness and novelty, of all samples and by size."""
  rows: list[dict[str, Any]] = [
    {
      'formula': '',
      'atoms': 0,
      'valid_structure': False,
      'valid_composition': False if options.composition else None,
      'unique': False,
      'novel': False,
      'failure': sample if isinstance(sample, str) else '',
    }
    for sample in samples
  ]
  places = [i for i, s in enumerate(samples) if isinstance(s, Crystal)]
  crystals = [to_host(samples[i]) for i in places]
  checks = isolated_map(
    functools.partial(_check, composition=options.composition),
    crystals,
    workers=options.workers,
  )
  found = distinct.find_distinct(crystals, train, workers=options.workers)
  for i, (place, check) in enumerate(zip(places, checks, strict=True)):
    row = rows[place]
    row['unique'] = bool(found.unique[i])
    row['novel'] = bool(found.novel[i])
    row['failure'] = found.failures.get(i, '')
    if isinstance(check, Failure):
      row['failure'] = check.reason
    else:
      row |= check
  metrics = {'crystals': float(len(samples))} | _shares(rows)
  return metrics | _by_size(rows), rows


def _by_size(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Number and share of unique and novel crystals, by atoms of the cell."""
  metrics = {}
  low = 0
  for high in (*SIZES, None):
    group = [
      row
      for row in rows
      if low < row['atoms'] and (high is None or row['atoms'] <= high)
    ]
    if group:
      name = f'above_{low}' if high is None else f'{low + 1}_to_{high}'
      metrics[f'crystals_{name}_atoms'] = float(len(group))
      metrics[f'unique_and_novel_{name}_atoms'] = _share(
        row['unique'] and row['novel'] for row in group
      )
    low = low if high is None else high
  return metrics


def _check(crystal: Crystal, *, composition: bool) -> dict[str, Any]:
  """Formula, size and validity of a host crystal."""
  numbers = np.asarray(crystal.numbers)
  return {
    'formula': reduced_formula(numbers),
    'atoms': len(numbers),
    'valid_structure': validity.is_valid_structure(
      np.asarray(crystal.positions), np.asarray(crystal.cell)
    ),
    'valid_composition': (
      validity.is_valid_composition(numbers) if composition else None
    ),
  }


def _is_valid(row: Mapping[str, Any]) -> bool:
  """Without SMACT the structure decides."""
  return row['valid_structure'] and row['valid_composition'] is not False


def _shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Shares of rows."""
  metrics = {'valid_structure': _share(row['valid_structure'] for row in rows)}
  if any(row['valid_composition'] is not None for row in rows):
    metrics['valid_composition'] = _share(
      row['valid_composition'] for row in rows
    )
    metrics['valid'] = _share(_is_valid(row) for row in rows)
  metrics['unique'] = _share(row['unique'] for row in rows)
  metrics['novel'] = _share(row['novel'] for row in rows)
  metrics['unique_and_novel'] = _share(
    row['unique'] and row['novel'] for row in rows
  )
  metrics['valid_unique_and_novel'] = _share(
    _is_valid(row) and row['unique'] and row['novel'] for row in rows
  )
  return metrics


def _share(flags) -> float:
  return float(np.mean([bool(flag) for flag in flags]))


def _coverage(
  samples: Sequence[Crystal],
  reference: Sequence[Crystal],
  options: Options,
  missing: int = 0,
) -> dict[str, float]:
  """Coverage, if asked for; `missing` samples have no crystal."""
  if not options.coverage:
    return {}
  found, known = (
    coverage_lib.fingerprints(group, workers=options.workers)
    for group in (samples, reference)
  )
  return coverage_lib.coverage([*found, *[None] * missing], known)
