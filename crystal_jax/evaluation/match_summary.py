"""Metrics of many comparisons of crystals: shares, means and medians."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import stats

from crystal_jax.evaluation.pair_matching import REASONS, Comparison


def summarize(comparisons: Sequence[Comparison]) -> dict[str, float]:
  """Summarizes comparisons as one row of a table.

  Returns:
    `crystals`: their number. Shares of all crystals: `match`, `strict`,
    `formula_exact`, `count_exact`, and `missed_REASON` for each of `REASONS`.
    `match_low`, `match_high`: the 95 % interval of the match (Wilson). `rmse`:
    the mean over matches, as in publications; `rmse_median`. Medians over
    decoded crystals: `volume_error`, `length_error`, `angle_error`. If validity
    was evaluated, shares of all crystals: `match_gated` (matches that are
    valid), `valid_true`, `valid_found`.

  Raises:
    ValueError: If there are no comparisons.
  """
  if not comparisons:
    raise ValueError('Need at least one comparison to summarize.')
  total = len(comparisons)
  columns = {
    field.name: [getattr(c, field.name) for c in comparisons]
    for field in dataclasses.fields(Comparison)
  }
  matches = sum(columns['match'])
  interval = stats.binomtest(matches, total).proportion_ci(method='wilson')
  summary = {
    'crystals': float(total),
    'match': matches / total,
    'match_low': float(interval.low),
    'match_high': float(interval.high),
    'rmse': _finite(np.mean, columns['rmse']),
    'rmse_median': _finite(np.median, columns['rmse']),
  }
  for name in 'strict', 'formula_exact', 'count_exact':
    summary[name] = sum(columns[name]) / total
  for name in 'volume_error', 'length_error', 'angle_error':
    summary[name] = _finite(np.median, columns[name])
  if any(valid is not None for valid in columns['valid_true']):
    gated = [c.match and bool(c.valid_found) for c in comparisons]
    summary['match_gated'] = sum(gated) / total
    for name in 'valid_true', 'valid_found':
      summary[name] = sum(map(bool, columns[name])) / total
  reasons = Counter(columns['reason'])
  for reason in REASONS:
    summary[f'missed_{reason.replace(" ", "_")}'] = reasons[reason] / total
  return summary


def _finite(statistic: Callable, values: Iterable[float]) -> float:
  """A statistic of the values that are not NaN; NaN if there are none."""
  array = np.array(list(values), float)
  array = array[~np.isnan(array)]
  return float(statistic(array)) if len(array) else float('nan')
