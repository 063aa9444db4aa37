"""The two columns of sample scores: the samples, and the held-out crystals."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.samples import coverage as coverage_lib
from crystal_jax.evaluation.samples import distributions, prediction
from crystal_jax.evaluation.samples.options import Options
from crystal_jax.evaluation.samples.reference import Reference
from crystal_jax.evaluation.samples.sample_metrics import is_valid, summarize
from crystal_jax.evaluation.samples.sample_rows import heldout_rows, score_each
from crystal_jax.stability import scores as stability_lib
from crystal_jax.stability.scores import Stability
from crystal_jax.structure.crystal import Crystal

# Seed of the training crystals that stand for samples.
_SEED = 0


def score_samples(
  samples: Sequence[Crystal | str], reference: Reference, options: Options
) -> tuple[dict[str, float], list[dict[str, Any]]]:
  """Metrics of samples, and one row for each of them.

  Args:
    samples: Crystals, or the reasons why a sample has none.
    reference: The data set.
    options: What to evaluate.
  """
  rows = score_each(samples, reference.train, options)
  metrics = summarize(rows)
  crystals = [sample for sample in samples if isinstance(sample, Crystal)]
  valid = [
    sample
    for sample, row in zip(samples, rows, strict=True)
    if isinstance(sample, Crystal) and is_valid(row)
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
  rows = heldout_rows(reference, options)
  metrics = summarize(rows)
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
  """Coverage; empty if it is not evaluated.

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
