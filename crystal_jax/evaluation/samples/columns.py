"""The columns of a table of scores: generated samples, held-out crystals."""

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

# Seed of the choice of training and held-out crystals in `score_heldout`.
_SEED = 0


def score_samples(
  samples: Sequence[Crystal | str], reference: Reference, options: Options
) -> tuple[dict[str, float], list[dict[str, Any]]]:
  """Metrics of samples, and one row for each of them.

  Args:
    samples: A crystal for each sample, or the reason why it has none.
    reference: The data set.
    options: What to evaluate.

  Returns:
    Metrics by name, and for each sample the row of `score_each`.
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
  """The metrics of `score_samples` for the held-out crystals.

  Wasserstein distances and coverage compare random training crystals with the
  held-out ones, because the held-out crystals would match themselves.

  Args:
    number: Number of generated samples. As many random training crystals are
      compared.
    reference: The data set.
    options: What to evaluate.
  """
  rows = heldout_rows(reference, options)
  metrics = summarize(rows)
  order = np.random.default_rng(_SEED).permutation(len(reference.train))
  training = [reference.train[i] for i in order[:number]]
  metrics |= distributions.wasserstein(training, reference.heldout)
  metrics |= _coverage(
    training, reference.heldout, options, cache=options.cache
  )
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
  """Shares of stable crystals; adds the results of relaxation to the rows.

  Samples without a valid structure are not relaxed and count as not stable.
  """
  valid_samples = [
    to_host(sample) if row['valid_structure'] else row['failure'] or 'invalid'
    for sample, row in zip(samples, rows, strict=True)
  ]
  relaxed = stability_lib.evaluate(
    valid_samples, stability.hull(reference.train), stability
  )
  # Rows after the first `stability.samples` have None in each column.
  not_relaxed = dict.fromkeys(relaxed[0])
  for row, result in itertools.zip_longest(
    rows, relaxed, fillvalue=not_relaxed
  ):
    row |= result
  is_new = [row['unique'] and row['novel'] for row in rows[: len(relaxed)]]
  return stability_lib.shares(relaxed, is_new)


def _coverage(
  samples: Sequence[Crystal],
  reference: Sequence[Crystal],
  options: Options,
  missing: int = 0,
  cache: pathlib.Path | None = None,
) -> dict[str, float]:
  """Coverage; empty if it is not evaluated.

  Args:
    samples: Crystals of the samples.
    reference: Held-out crystals.
    options: What to evaluate.
    missing: Number of samples that have no crystal.
    cache: Folder where fingerprints of the samples are kept; None: nowhere.
  """
  if not options.coverage:
    return {}
  sample_fingerprints = coverage_lib.fingerprints(
    samples, workers=options.workers, cache=cache
  )
  reference_fingerprints = coverage_lib.fingerprints(
    reference, workers=options.workers, cache=options.cache
  )
  return coverage_lib.coverage(
    [*sample_fingerprints, *[None] * missing], reference_fingerprints
  )
