"""Tables of `benchmarks.crystals`, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.evaluation import match_summary, matching
from crystal_jax.structure.crystal import Crystal

# Comparisons of decoded and true crystals, by row of the table.
Comparisons = Mapping[str, Sequence[matching.Comparison]]
# Maximum number of latents whose distances to each other are computed.
_MAX_LATENTS = 1000


def match_table(scores: Comparisons) -> str:
  """Match, RMSE, strict match and errors of each row."""
  rows = []
  for name, comparisons in scores.items():
    summary = match_summary.summarize(comparisons)
    interval = f'{summary["match_low"]:.1%} to {summary["match_high"]:.1%}'
    row = [
      name,
      f'{summary["match"]:.2%} ({interval})',
      f'{summary["rmse"]:.4f}',
      f'{summary["strict"]:.2%}',
      f'{summary["formula_exact"]:.2%}',
      f'{summary["count_exact"]:.2%}',
      f'{summary["length_error"]:.2%}',
      f'{summary["angle_error"]:.2f}°',
    ]
    if 'match_gated' in summary:
      row += [f'{summary["match_gated"]:.2%}', f'{summary["valid_true"]:.2%}']
    rows.append(row)
  head = ['decoded from', 'match (95 % interval)', 'RMSE, (V/N)^(1/3)',
          'strict', 'formula', 'count', 'lengths', 'angles']  # fmt: skip
  if len(rows[0]) > len(head):
    head += ['gated', 'true crystals valid']
  return table(head, rows)


def miss_table(scores: Comparisons) -> str:
  """Share of crystals that are missed for each reason, for each row."""
  rows = [
    [name]
    + [
      f'{np.mean([c.reason == reason for c in comparisons]):.2%}'
      for reason in matching.REASONS
    ]
    for name, comparisons in scores.items()
  ]
  return table(['missed from', *matching.REASONS], rows)


def size_table(
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


def distance_table(latents: Mapping[str, Float[np.ndarray, 'B D']]) -> str:
  """Distances between latents of one crystal, and of different crystals.

  Args:
    latents: Latents of the same crystals by row. The first row has the crystals
      as given, the others have them written in another way.
  """
  given, *rewritten = latents
  z = latents[given]
  rows = []
  for name in rewritten:
    distances = np.linalg.norm(latents[name] - z, axis=1)
    rows.append([f'one crystal, {name}', *_quantiles(distances)])
  finite = z[np.isfinite(z).all(axis=1)][:_MAX_LATENTS]
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
  """A Markdown table.

  Args:
    head: Title of each column.
    rows: Text of each cell, row by row.
  """
  lines = [head, ['---'] * len(head), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
