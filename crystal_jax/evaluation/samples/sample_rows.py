"""One row for each sample: formula, size, validity, uniqueness, novelty."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.samples import distinct
from crystal_jax.evaluation.samples.digest import digest
from crystal_jax.evaluation.samples.options import Options
from crystal_jax.evaluation.samples.reference import Reference
from crystal_jax.io import atomic
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.crystal import Crystal


def score_each(
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
  indices = [i for i, s in enumerate(samples) if isinstance(s, Crystal)]
  crystals = [to_host(samples[i]) for i in indices]
  checks = isolated_map(
    functools.partial(_check, composition=options.composition),
    crystals,
    workers=options.workers,
    progress='validity',
  )
  found = distinct.find_distinct(crystals, train, workers=options.workers)
  for i, (index, check) in enumerate(zip(indices, checks, strict=True)):
    row = rows[index]
    row['unique'] = bool(found.unique[i])
    row['novel'] = bool(found.novel[i])
    row['failure'] = found.failures.get(i, '')
    if isinstance(check, Failure):
      row['failure'] = check.reason
    else:
      row |= check
  return rows


def heldout_rows(reference: Reference, options: Options):
  """Rows of all held-out crystals, from a file if there is one."""
  path = None
  if options.cache is not None:
    crystals = [*reference.train, *reference.heldout]
    settings = len(reference.heldout), options.composition
    key = digest(crystals, *settings)
    path = options.cache / f'heldout_{key}.json'
    if path.exists():
      return json.loads(path.read_text('utf-8'))
  rows = score_each(reference.heldout, reference.train, options)
  if path is not None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as partial:
      partial.write_text(json.dumps(rows), 'utf-8')
  return rows


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
