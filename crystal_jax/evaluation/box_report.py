"""The held-out crystals of a box model in the report."""

import html
from collections.abc import Sequence

import numpy as np

from crystal_jax.evaluation import figures
from crystal_jax.evaluation.box_cases import Case
from crystal_jax.evaluation.report import formula, image
from crystal_jax.structure.crystal import Crystal


def sections(cases: Sequence[Case]) -> list[str]:
  """HTML of held-out cases; those with a picture are drawn."""
  parts = ['<h2>Held-out crystals</h2>']
  for case in cases:
    if case.picture is not None:
      parts += _case(case)
  return [*parts, '<h2>The worst of them</h2>', _worst(cases)]


def _case(case) -> list[str]:
  picture, true, decoded = case.picture, case.true, case.decoded
  shown = lambda atoms: (  # noqa: E731
    atoms.positions[atoms.inside],
    atoms.numbers[atoms.inside],
  )
  end = f'No crystal: {html.escape(str(case.crystal))}'
  if isinstance(case.crystal, Crystal):
    whose = 'its own' if case.lattice_found else 'the given'
    end = f'The crystal was put together in {whose} lattice.'
  parts = [
    f'<h3>{html.escape(case.id)}</h3>',
    f'<p>In the grid: {formula(true.numbers[true.inside])}; decoded: '
    f'{formula(decoded.numbers[decoded.inside]) or "nothing"}. Density error '
    f'{case.mse:.4g} (weight/Å³)². '
    f'{end}</p>',
    image(figures.densities(picture['density'], picture['predicted_density'])),
  ]
  if 'predicted_labels' in picture:
    maps = figures.species_maps(picture['labels'], picture['predicted_labels'])
    parts.append(image(maps))
  parts.append(image(figures.atoms(shown(true), shown(decoded))))
  return parts


def _worst(cases, number: int = 12) -> str:
  """Those whose true atoms are the farthest from any decoded one."""
  rows = []
  for case in cases:
    comparison = case.compare(case.decoded)
    mean = float(np.mean(comparison.true_distances))
    right = np.mean(comparison.true_numbers == comparison.nearest_numbers)
    rows.append((mean, right, case))
  rows.sort(key=lambda row: -row[0])
  body = ''.join(
    f'<tr><td>{html.escape(case.id)}</td>'
    f'<td>{case.true.inside.sum()}</td><td>{case.decoded.inside.sum()}</td>'
    f'<td>{mean:.3f}</td><td>{right:.2f}</td><td>{case.mse:.3g}</td>'
    f'<td>{"yes" if case.lattice_found else "no"}</td></tr>'
    for mean, right, case in rows[:number]
  )
  return (
    '<table><tr><th>crystal</th><th>atoms</th><th>decoded</th>'
    '<th>mean distance, Å</th><th>species right</th>'
    f'<th>density error</th><th>lattice found</th></tr>{body}</table>'
  )
