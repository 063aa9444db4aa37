"""The two columns of sample scores: the samples, and the held-out crystals."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.samples import coverage as coverage_lib
from crystal_jax.evaluation.samples import distinct, distributions, prediction
from crystal_jax.evaluation.samples.digest import digest
from crystal_jax.evaluation.samples.reference import Reference
from crystal_jax.io import atomic
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.stability import scores as stability_lib
from crystal_jax.stability.scores import Stability
from crystal_jax.structure.crystal import Crystal

# Upper limits of the size bins, atoms of the cell.
SIZES = 4, 8, 12, 20
# Seed of the training crystals that stand for samples.
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Options:
  """Options of an evaluation of samples.

  Attributes:
    k: Candidates per composition.
    composition: Whether to evaluate the validity of compositions.
    coverage: Whether to evaluate coverage.
    workers: Processes.
    stability: How stability is evaluated; None: it is not.
    cache: Folder of results of the data set; None: none is kept.
    left_out: Metrics that are not evaluated, with the reason.
  """

  k: int
  composition: bool
  coverage: bool
  workers: int | None
  stability: Stability | None
  cache: pathlib.Path | None
  left_out: Mapping[str, str]


def make_options(
  k: int,
  coverage: bool | None,
  workers: int | None,
  stability: Stability | None = None,
  cache: pathlib.Path | None = None,
) -> Options:
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
    stability=stability,
    cache=cache,
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
  rows = _score_each(samples, reference.train, options)
  metrics = _summary(rows)
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
  if options.stability is not None:
    metrics |= _stability(samples, rows, reference, options.stability)
  return metrics, rows


def score_heldout(
  number: int, reference: Reference, options: Options
) -> dict[str, float]:
  """The same metrics of held-out crystals.

  Distances and coverage are those of `number` training crystals against the
  held-out ones.
  """
  rows = _heldout_rows(reference, options)
  metrics = _summary(rows)
  order = np.random.default_rng(_SEED).permutation(len(reference.train))
  known = [reference.train[i] for i in order[:number]]
  metrics |= distributions.wasserstein(known, reference.heldout)
  metrics |= _coverage(known, reference.heldout, options, cache=options.cache)
  if options.stability is not None:
    order = np.random.default_rng(_SEED).permutation(len(reference.heldout))
    chosen = order[: min(number, options.stability.samples)]
    metrics |= _stability(
      [reference.heldout[i] for i in chosen],
      [rows[i] for i in chosen],
      reference,
      options.stability,
    )
  return metrics


def _score_each(
  samples: Sequence[Crystal | str], train: Sequence[Crystal], options: Options
) -> list[dict[str, Any]]:
  """Validity, uniqueness and novelty of each sample."""
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
  return rows


def _heldout_rows(reference: Reference, options: Options):
  """Rows of all held-out crystals, from a file if there is one."""
  path = None
  if options.cache is not None:
    crystals = [*reference.train, *reference.heldout]
    settings = len(reference.heldout), options.composition
    key = digest(crystals, *settings)
    path = options.cache / f'heldout_{key}.json'
    if path.exists():
      return json.loads(path.read_text('utf-8'))
  rows = _score_each(reference.heldout, reference.train, options)
  if path is not None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as partial:
      partial.write_text(json.dumps(rows), 'utf-8')
  return rows


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Number of rows and shares of them, of all and by size."""
  metrics = {'crystals': float(len(rows))} | _shares(rows)
  return metrics | _by_size(rows)


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


def _stability(
  samples: Sequence[Crystal | str],
  rows: Sequence[dict[str, Any]],
  reference: Reference,
  stability: Stability,
) -> dict[str, float]:
  """Shares of stable crystals; adds energies to the rows.

  Samples without a valid structure are not relaxed: they are not stable.
  """
  valid = [
    to_host(sample) if row['valid_structure'] else row['failure'] or 'invalid'
    for sample, row in zip(samples, rows, strict=True)
  ]
  found = stability_lib.evaluate(
    valid, stability.hull(reference.train), stability
  )
  for row, energies in itertools.zip_longest(rows, found, fillvalue=None):
    assert row is not None
    row |= energies or dict.fromkeys(found[0])
  new = [row['unique'] and row['novel'] for row in rows[: len(found)]]
  return stability_lib.shares(found, new)


def _coverage(
  samples: Sequence[Crystal],
  reference: Sequence[Crystal],
  options: Options,
  missing: int = 0,
  cache: pathlib.Path | None = None,
) -> dict[str, float]:
  """Coverage, if asked for.

  Args:
    samples: Samples.
    reference: Held-out crystals.
    options: What to evaluate.
    missing: Samples that have no crystal.
    cache: Folder of fingerprints of samples.
  """
  if not options.coverage:
    return {}
  found = coverage_lib.fingerprints(
    samples, workers=options.workers, cache=cache
  )
  known = coverage_lib.fingerprints(
    reference, workers=options.workers, cache=options.cache
  )
  return coverage_lib.coverage([*found, *[None] * missing], known)
