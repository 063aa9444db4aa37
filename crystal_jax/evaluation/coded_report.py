"""Sections of the report on crystals decoded by a codec.

All figures and pictures are of the codec's crystals, except the occupancy,
which is the networks' output.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from crystal_jax import plots
from crystal_jax.codec.codec import Codec
from crystal_jax.evaluation import paper_figures, traversals
from crystal_jax.evaluation.pair_matching import Comparison
from crystal_jax.evaluation.reconstruction import Reconstruction
from crystal_jax.evaluation.report import formula, image
from crystal_jax.evaluation.views import View
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

# Number of the worst crystals that are drawn.
_WORST = 10


def headline(metrics: Mapping[str, float], split: str) -> str:
  """The main figure of a split, HTML.

  Args:
    metrics: Metrics of the split.
    split: Name of the split.
  """
  crystals = 'held-out' if split == 'heldout' else 'training'
  return (
    f'The codec gives back <b>{metrics["match"]:.1%}</b> of '
    f'{metrics["crystals"]:.0f} {crystals} crystals (match; 95 % interval '
    f'{metrics["match_low"]:.1%} to {metrics["match_high"]:.1%}), with an RMS '
    f'distance of {metrics["rmse"]:.4f} (V/N)<sup>1/3</sup>; strict match '
    f'{metrics["strict"]:.1%}. The networks alone, before symmetrization and '
    f'refinement: {metrics["networks_match"]:.1%}.'
  )


def sections(
  codec: Codec, view: View, rows: Sequence[Reconstruction], pictures: int
) -> list[str]:
  """HTML of the reconstructions: the first and the worst are drawn.

  Args:
    codec: Codec that decoded them.
    view: View of its representation.
    rows: Reconstructions with a comparison.
    pictures: Number of reconstructions that are drawn from the first on.
  """
  parts = ['<h2>Crystals</h2>']
  for row in rows[:pictures]:
    parts += _crystal(row, view)
  missed = [row for row in rows if not _comparison(row).match]
  parts.append(f'<h2>Missed: {len(missed)} of {len(rows)}</h2>')
  parts.append(_reasons(missed))
  worst = sorted(rows, key=_badness, reverse=True)[:_WORST]
  parts.append(f'<h2>The {len(worst)} worst</h2>')
  for row in worst:
    parts += _crystal(row, view)
  parts += paper_figures.sections(
    [view.compare(row.true, row.atoms['codec']) for row in rows]
  )
  return parts + traversals.sections(codec, view, rows[0], rows[-1])


def _comparison(row: Reconstruction) -> Comparison:
  if row.comparison is None:
    raise ValueError(f'{row.id} was not compared with the true crystal.')
  return row.comparison


def _badness(row: Reconstruction) -> tuple[bool, float]:
  """Sort key: matches by their RMS distance, misses above all matches."""
  comparison = _comparison(row)
  return not comparison.match, comparison.rmse if comparison.match else 0.0


def _crystal(row: Reconstruction, view: View) -> list[str]:
  comparison, crystal = _comparison(row), row.crystals['codec']
  verdict = (
    f'matches, RMS distance {comparison.rmse:.4f} (V/N)<sup>1/3</sup>'
    if comparison.match
    else f'does not match: {html.escape(comparison.reason)}'
  )
  parts = [
    f'<h3>{html.escape(row.id)}</h3>',
    f'<p>True: {_description(row.true)}<br>Decoded: {_description(crystal)}'
    f'<br>It {verdict}.</p>',
    image(
      plots.densities(
        {'target': row.occupancy[0], 'decoded': row.occupancy[1]}, 'occupancy'
      )
    ),
  ]
  if isinstance(crystal, Crystal):
    scenes = {
      'target': view.scene(row.true, row.true),
      'decoded': view.scene(crystal, row.true),
    }
    parts.append(image(plots.atoms(scenes)))
  return parts


def _description(crystal: Crystal | str) -> str:
  """Formula and lattice, or the reason why there is no crystal."""
  if not isinstance(crystal, Crystal):
    return f'no crystal ({html.escape(crystal)})'
  lengths, angles = lattice.lengths_and_angles(np.asarray(crystal.cell))
  length_text = ', '.join(f'{x:.3f}' for x in np.asarray(lengths))
  angle_text = ', '.join(f'{x:.1f}' for x in np.asarray(angles))
  name = formula(np.asarray(crystal.numbers))
  return f'{name}; {length_text} Å; {angle_text}°'


def _reasons(missed: Sequence[Reconstruction]) -> str:
  """Number of misses for each reason, as an HTML table."""
  if not missed:
    return '<p>None.</p>'
  counts = Counter(_comparison(row).reason for row in missed)
  lines = ''.join(
    f'<tr><td>{html.escape(reason)}</td><td>{count}</td></tr>'
    for reason, count in sorted(counts.items())
  )
  return f'<table><tr><th>reason</th><th>crystals</th></tr>{lines}</table>'
