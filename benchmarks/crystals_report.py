"""Tables of `benchmarks.crystals`, in Markdown."""

from __future__ import annotations

import numpy as np

from crystal_jax.evaluation import match_summary, matching


def matches(scores) -> str:
  """Of each way there and back: match, RMSE, strict, gated, exact."""
  rows = []
  for way, comparisons in scores.items():
    s = match_summary.summarize(comparisons)
    row = [
      way,
      f'{s["match"]:.2%} ({s["match_low"]:.1%} to {s["match_high"]:.1%})',
      f'{s["rmse"]:.4f}',
      f'{s["strict"]:.2%}',
      f'{s["formula_exact"]:.2%}',
      f'{s["count_exact"]:.2%}',
      f'{s["length_error"]:.2%}',
      f'{s["angle_error"]:.2f}°',
    ]
    if 'match_gated' in s:
      row += [f'{s["match_gated"]:.2%}', f'{s["valid_true"]:.2%}']
    rows.append(row)
  head = 'from, match (95 %), RMSE, strict, formula, count, lengths, angles'
  if len(rows[0]) > 8:
    head += ', gated, truth passes'
  return table(head.split(', '), rows)


def misses(scores) -> str:
  """Shares of all crystals that are missed, by reason."""
  rows = [
    [way]
    + [
      f'{np.mean([c.reason == reason for c in comparisons]):.2%}'
      for reason in matching.REASONS
    ]
    for way, comparisons in scores.items()
  ]
  return table(['missed from', *matching.REASONS], rows)


def places(true, comparisons) -> str:
  """Where the misses are: by atoms, elements and longest vector."""
  atoms = np.array([len(crystal.numbers) for crystal in true])
  kinds = np.array([len(set(c.numbers.tolist())) for c in true])
  longest = np.array([np.linalg.norm(c.cell, axis=1).max() for c in true])
  match = np.array([c.match for c in comparisons])
  groups = (
    ('atoms', atoms, [1, 4, 8, 12, 16, 20]),
    ('elements', kinds, [1, 2, 3, 4]),
    ('longest vector, Å', longest, [5, 7.5, 10, 15, 20]),
  )
  rows = []
  for name, values, edges in groups:
    low = -np.inf
    for high in [*edges, np.inf]:
      some = (values > low) & (values <= high)
      title = f'{name} up to {high}' if high < np.inf else f'{name} above'
      if some.any():
        rows.append([title, f'{some.sum()}', f'{match[some].mean():.1%}'])
      low = high
  return table(['of the mean', 'crystals', 'match'], rows)


def distances(latents) -> str:
  """Of latents of one crystal, and of different ones.

  Args:
    latents: {way: [B, D]}; the first is that of the crystals as they are.
  """
  given, *others = latents
  z = latents[given]
  rows = []
  for way in others:
    apart = np.linalg.norm(latents[way] - z, axis=1)
    rows.append([f'one crystal, {way}', *_quantiles(apart)])
  whole = z[np.isfinite(z).all(axis=1)][:1000]
  apart = np.sqrt(
    np.maximum(
      np.square(whole).sum(1)[:, None]
      + np.square(whole).sum(1)[None]
      - 2 * whole @ whole.T,
      0,
    )
  )
  pairs = apart[np.triu_indices(len(whole), 1)]
  np.fill_diagonal(apart, np.inf)
  rows.append(['the nearest other crystal', *_quantiles(apart.min(axis=1))])
  rows.append(['any other crystal', *_quantiles(pairs)])
  return table(['distance of latents', '5 %', 'median', '95 %'], rows)


def _quantiles(values):
  values = values[np.isfinite(values)]
  if not len(values):
    return ['-'] * 3
  return [f'{x:.3g}' for x in np.quantile(values, [0.05, 0.5, 0.95])]


def table(head, rows) -> str:
  """Rows of cells as Markdown."""
  lines = [head, ['---'] * len(head), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
