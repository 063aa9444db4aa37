"""Many comparisons in a row of a table: shares of all crystals, and medians."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from crystal_jax.evaluation.matching import REASONS, Comparison


def summarize(comparisons: Sequence[Comparison]) -> dict[str, float]:
  """Shares of all crystals, and medians.

  Returns:
    crystals (how many); match, strict, formula_exact, count_exact (shares of
    all); match_low and match_high (95 % interval of the match, Wilson's); rmse
    (mean over matches, as published) and rmse_median; volume_error,
    length_error, angle_error (medians, of those that came back); missed_REASON
    (shares of all) of each of `REASONS`; and where validity was asked for,
    match_gated (matches that are valid), valid_true and valid_found (shares).

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
  low, high = wilson(matches, total)
  summary = {
    'crystals': float(total),
    'match': matches / total,
    'match_low': low,
    'match_high': high,
    'rmse': _over(np.mean, columns['rmse']),
    'rmse_median': _over(np.median, columns['rmse']),
  }
  for name in 'strict', 'formula_exact', 'count_exact':
    summary[name] = sum(columns[name]) / total
  for name in 'volume_error', 'length_error', 'angle_error':
    summary[name] = _over(np.median, columns[name])
  if any(valid is not None for valid in columns['valid_true']):
    gated = [c.match and bool(c.valid_found) for c in comparisons]
    summary['match_gated'] = sum(gated) / total
    for name in 'valid_true', 'valid_found':
      summary[name] = sum(map(bool, columns[name])) / total
  reasons = Counter(columns['reason'])
  for reason in REASONS:
    summary[f'missed_{reason.replace(" ", "_")}'] = reasons[reason] / total
  return summary


def wilson(successes: int, total: int) -> tuple[float, float]:
  """Wilson's 95 % interval of a share."""
  z = 1.959964
  share, spread = successes / total, z * z / total
  middle = (share + spread / 2) / (1 + spread)
  half = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
  return float(middle - half), float(middle + half)


def _over(statistic, values) -> float:
  """Of the values that are there; NaN without any."""
  there = np.asarray(values, float)
  there = there[~np.isnan(there)]
  return float(statistic(there)) if len(there) else float('nan')
