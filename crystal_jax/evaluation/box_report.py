"""Sections of the report on the paper's box."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

from crystal_jax import plots
from crystal_jax.evaluation import paper_figures
from crystal_jax.evaluation.atoms import Atoms
from crystal_jax.evaluation.box_reconstruction import BoxReconstruction
from crystal_jax.evaluation.report import formula, image
from crystal_jax.structure.crystal import Crystal

# Number of rows in the table of the worst boxes.
_WORST = 12


def headline(metrics: Mapping[str, float], split: str) -> str:
  """The main figure of a split, HTML.

  Args:
    metrics: Metrics of the split.
    split: Name of the split.
  """
  crystals = 'held-out' if split == 'heldout' else 'training'
  return (
    f'In the boxes of {metrics["crystals"]:.0f} {crystals} crystals, '
    f'<b>{metrics["atoms_right"]:.1%}</b> of the atoms are decoded within '
    '0.5 Å with the right species; the median distance of a true atom from the '
    f'nearest decoded one is {metrics["nearest_median"]:.3f} Å.'
  )


def sections(rows: Sequence[BoxReconstruction], length: float) -> list[str]:
  """HTML of reconstructions; those with a picture are drawn.

  Args:
    rows: The reconstructions.
    length: Side of the box, Å.
  """
  parts = ['<h2>Held-out boxes</h2>']
  for row in rows:
    if row.picture is not None:
      parts += _box(row, row.picture, length)
  parts += ['<h2>The worst</h2>', _worst(rows)]
  return parts + paper_figures.sections(
    [row.compare(row.decoded) for row in rows]
  )


def _box(
  row: BoxReconstruction, picture: Mapping[str, np.ndarray], length: float
) -> list[str]:
  if isinstance(row.crystal, Crystal):
    cell = (
      'a lattice found in the density'
      if row.lattice_found
      else ('the true lattice, since none was found in the density')
    )
    text = f'The crystal was assembled with {cell}.'
  else:
    text = f'No crystal: {html.escape(row.crystal)}.'
  parts = [
    f'<h3>{html.escape(row.id)}</h3>',
    f'<p>In the box: {_formula_inside(row.true)}; decoded: '
    f'{_formula_inside(row.decoded) or "nothing"}. Squared error of the '
    f'density {row.mse:.4g} (weight/Å³)². {text}</p>',
    image(
      plots.densities(
        {
          'target': picture['density'],
          'decoded': picture['predicted_density'],
        },
        views=('largest', 'top', 'front'),
      )
    ),
  ]
  if 'predicted_labels' in picture:
    maps = plots.species_maps(picture['labels'], picture['predicted_labels'])
    parts.append(image(maps))
  scenes = {
    'target': _scene(row.true, length),
    'decoded': _scene(row.decoded, length),
  }
  parts.append(image(plots.atoms(scenes)))
  return parts


def _scene(atoms: Atoms, length: float) -> plots.Scene:
  """The atoms inside the box, and its edges."""
  return plots.Scene(
    positions=atoms.positions[atoms.inside],
    numbers=atoms.numbers[atoms.inside],
    origin=np.full(3, -length / 2),
    cell=length * np.eye(3),
  )


def _formula_inside(atoms: Atoms) -> str:
  return formula(atoms.numbers[atoms.inside])


def _worst(rows: Sequence[BoxReconstruction]) -> str:
  """The crystals whose true atoms are farthest from decoded ones, a table."""
  lines = []
  for row in rows:
    comparison = row.compare(row.decoded)
    distance = float(np.mean(comparison.true_distances))
    right = np.mean(comparison.true_numbers == comparison.nearest_numbers)
    lines.append((distance, right, row))
  lines.sort(key=lambda line: -line[0])
  body = ''.join(
    f'<tr><td>{html.escape(row.id)}</td>'
    f'<td>{row.true.inside.sum()}</td><td>{row.decoded.inside.sum()}</td>'
    f'<td>{distance:.3f}</td><td>{right:.0%}</td><td>{row.mse:.3g}</td>'
    f'<td>{"yes" if row.lattice_found else "no"}</td></tr>'
    for distance, right, row in lines[:_WORST]
  )
  return (
    '<table><tr><th>crystal</th><th>atoms</th><th>decoded atoms</th>'
    '<th>mean distance, Å</th><th>species right</th>'
    '<th>squared error of the density, (weight/Å³)²</th>'
    f'<th>lattice found</th></tr>{body}</table>'
  )
