"""Crystal structure prediction: do samples match the crystal of a composition.

For each held-out crystal its candidates are the samples of its reduced
formula, in their order. Matches are those of published reconstructions.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Sequence

import numpy as np

from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.pair_matching import Comparison, compare_pair
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.crystal import Crystal


def score_predictions(
  samples: Sequence[Crystal],
  truth: Sequence[Crystal],
  *,
  k: int,
  gate: bool,
  workers: int | None = None,
) -> dict[str, float]:
  """Match and RMSE of samples with held-out crystals of their composition.

  Args:
    samples: Generated crystals.
    truth: Held-out crystals.
    k: Number of candidates that count.
    gate: Whether to evaluate validity too; needs `smact`.
    workers: Processes; see `isolated_map`.

  Returns:
    `compositions`: held-out crystals with candidates; `match_1`, `match_k`:
    shares of them whose first, or any of the first k, candidates match;
    `rmse_1`, `rmse_k`: mean RMS distance of the (best) matches, (V/N)^(1/3).
    With `gate` the same as CDVAE counts (`_valid_sample`: an invalid candidate
    is a miss) and as DiffCSP does (`_valid_both`: the truth has to be valid
    too). `metre`: share of all held-out crystals that any sample matches.
    NaN where no held-out crystal has candidates.
  """
  candidates: dict[str, list[Crystal]] = collections.defaultdict(list)
  for crystal in samples:
    crystal = to_host(crystal)
    candidates[reduced_formula(np.asarray(crystal.numbers))].append(crystal)
  pairs, rows = [], []
  for row, crystal in enumerate(truth):
    crystal = to_host(crystal)
    formula = reduced_formula(np.asarray(crystal.numbers))
    for candidate in candidates.get(formula, ()):
      pairs.append((crystal, candidate))
      rows.append(row)
  results = isolated_map(
    functools.partial(compare_pair, gate=gate),
    pairs,
    workers=workers,
    progress='matching',
  )
  compared: dict[int, list[Comparison]] = collections.defaultdict(list)
  for row, result in zip(rows, results, strict=True):
    failed = isinstance(result, Failure)
    compared[row].append(Comparison(reason='failed') if failed else result)
  metrics = {'compositions': float(len(compared))}
  for suffix, first in ('_1', 1), (f'_{k}', k):
    metrics |= _shares(compared.values(), first, suffix, gate)
  found = sum(any(c.match for c in row) for row in compared.values())
  return metrics | {'metre': found / len(truth) if truth else float('nan')}


def _shares(compared, first: int, suffix: str, gate: bool) -> dict[str, float]:
  """Match and RMSE of the first candidates, by protocol."""
  protocols = {'': lambda c: c.match}
  if gate:
    protocols['_valid_sample'] = lambda c: c.match and c.valid_found
    protocols['_valid_both'] = lambda c: (
      c.match and c.valid_found and c.valid_true
    )
  metrics = {}
  for name, is_match in protocols.items():
    best = [
      min((c.rmse for c in row[:first] if is_match(c)), default=np.inf)
      for row in compared
    ]
    matched = [rmse for rmse in best if np.isfinite(rmse)]
    nan = float('nan')
    metrics[f'match{suffix}{name}'] = len(matched) / len(best) if best else nan
    metrics[f'rmse{suffix}{name}'] = float(np.mean(matched)) if matched else nan
  return metrics
