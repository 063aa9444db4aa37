"""Tables of `benchmarks.crystals`, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.evaluation import match_summary, matching
from crystal_jax.structure.crystal import Crystal

Comparisons = Mapping[str, Sequence[matching.Comparison]]


def matches(scores: Comparisons) -> str:
  """Match, RMSE, strict match and errors, by row."""
  rows = []
  for name, comparisons in scores.items():
    s = match_summary.summarize(comparisons)
    row = [
      name,
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
  head = ['decoded from', 'match (95 % interval)', 'RMSE, (V/N)^(1/3)',
          'strict', 'formula', 'count', 'lengths', 'angles']  # fmt: skip
  if len(rows[0]) > len(head):
    head += ['gated', 'true crystals valid']
  return table(head, rows)


def misses(scores: Comparisons) -> str:
  """Shares of all crystals that are missed, by row and reason."""
  rows = [
    [name]
    + [
      f'{np.mean([c.reason == reason for c in comparisons]):.2%}'
      for reason in matching.REASONS
    ]
    for name, comparisons in scores.items()
  ]
  return table(['missed from', *matching.REASONS], rows)


def by_size(
  true: Sequence[Crystal], comparisons: Sequence[matching.Comparison]
) -> str:
  """Matches by atoms, elements and longest lattice vector."""
  atoms = np.array([len(crystal.numbers) for crystal in true])
  elements = np.array([len(set(c.numbers.tolist())) for c in true])
  longest = np.array([np.linalg.norm(c.cell, axis=1).max() for c in true])
  match = np.array([c.match for c in comparisons])
  groups = (
    ('atoms', atoms, [1, 4, 8, 12, 16, 20]),
    ('elements', elements, [1, 2, 3, 4]),
    ('longest vector, Å', longest, [5, 7.5, 10, 15, 20]),
  )
  rows = []
  for name, values, edges in groups:
    low = -np.inf
    for high in [*edges, np.inf]:
      group = (values > low) & (values <= high)
      title = f'{name} up to {high}' if high < np.inf else f'{name} above'
      if group.any():
        rows.append([title, f'{group.sum()}', f'{match[group].mean():.1%}'])
      low = high
  return table(['of the mean', 'crystals', 'match'], rows)


def latent_distances(latents: Mapping[str, Float[np.ndarray, 'B D']]) -> str:
  """Distances between latents of one crystal, and of different crystals.

  Args:
    latents: By row; the first are those of the crystals as they are given.
  """
  given, *changed = latents
  z = latents[given]
  rows = []
  for name in changed:
    distances = np.linalg.norm(latents[name] - z, axis=1)
    rows.append([f'one crystal, {name}', *_quantiles(distances)])
  finite = z[np.isfinite(z).all(axis=1)][:1000]
  squares = np.square(finite).sum(1)
  distances = np.sqrt(
    np.maximum(squares[:, None] + squares[None] - 2 * finite @ finite.T, 0)
  )
  pairs = distances[np.triu_indices(len(finite), 1)]
  np.fill_diagonal(distances, np.inf)
  nearest = distances.min(axis=1)
  rows.append(['the nearest other crystal', *_quantiles(nearest)])
  rows.append(['any other crystal', *_quantiles(pairs)])
  return table(['distance of latents', '5 %', 'median', '95 %'], rows)


def _quantiles(values: Float[np.ndarray, 'M']) -> list[str]:
  values = values[np.isfinite(values)]
  if not len(values):
    return ['-'] * 3
  return [f'{x:.3g}' for x in np.quantile(values, [0.05, 0.5, 0.95])]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Cells as a Markdown table."""
  lines = [head, ['---'] * len(head), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
