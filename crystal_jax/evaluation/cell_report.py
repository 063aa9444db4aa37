"""The held-out crystals of a model that gives whole crystals, in the report.

A case is one of `cell_scores` or of `coded_box_cases`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from crystal_jax.evaluation import figures
from crystal_jax.evaluation.report import formula, image
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

# Of the worst crystals, how many are drawn.
_WORST = 10


def sections(cases: Sequence, pictures: int) -> list[str]:
  """HTML of held-out cases; the first and the worst are drawn.

  Args:
    cases: Compared with the truth.
    pictures: How many of the first.
  """
  parts = ['<h2>Held-out crystals</h2>']
  for case in cases[:pictures]:
    parts += _case(case)
  missed = [case for case in cases if not case.comparison.match]
  parts.append(
    f'<h2>Those that did not come back: {len(missed)} of {len(cases)}</h2>'
  )
  parts.append(_reasons(missed))
  worst = sorted(cases, key=_badness, reverse=True)[:_WORST]
  parts.append(f'<h2>The {len(worst)} worst</h2>')
  for case in worst:
    parts += _case(case)
  return parts


def _badness(case) -> tuple[bool, float]:
  """Misses before matches; among those by the distance of the atoms."""
  comparison = case.comparison
  return not comparison.match, comparison.rmse if comparison.match else 0.0


def _case(case) -> list[str]:
  comparison = case.comparison
  verdict = (
    f'matches, RMSE {comparison.rmse:.4f}'
    if comparison.match
    else f'does not match: {html.escape(comparison.reason)}'
  )
  parts = [
    f'<h3>{html.escape(case.id)}</h3>',
    f'<p>{_line(case.true)}<br>{_line(case.found)}<br>It {verdict}.</p>',
    image(figures.densities(*case.occupancy)),
  ]
  if isinstance(case.found, Crystal):
    parts.append(image(figures.atoms(*case.drawn())))
  return parts


def _line(crystal) -> str:
  """Formula and lattice, or why there is none."""
  if not isinstance(crystal, Crystal):
    return f'No crystal: {html.escape(str(crystal))}'
  lengths, angles = lattice.lengths_and_angles(np.asarray(crystal.cell))
  lengths = ', '.join(f'{x:.3f}' for x in np.asarray(lengths))
  angles = ', '.join(f'{x:.1f}' for x in np.asarray(angles))
  return f'{formula(np.asarray(crystal.numbers))}; {lengths} Å; {angles}°'


def _reasons(missed) -> str:
  reasons = [case.comparison.reason for case in missed]
  rows = ''.join(
    f'<tr><td>{html.escape(reason)}</td><td>{reasons.count(reason)}</td></tr>'
    for reason in sorted(set(reasons))
  )
  return (
    f'<table><tr><th>what is wrong</th><th>crystals</th></tr>{rows}</table>'
  )
