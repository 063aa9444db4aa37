"""A folder with the scores of samples: page, JSON and a table of crystals."""

from __future__ import annotations

import csv
import html
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax import plots
from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.report import image, write_page
from crystal_jax.evaluation.samples import table
from crystal_jax.evaluation.samples.scoring import SampleScores
from crystal_jax.io import atomic
from crystal_jax.structure.crystal import Crystal

# Crystals drawn in each section of the page.
_PICTURED = 10


def write_report(
  folder: pathlib.Path, scores: SampleScores, samples: Sequence[Crystal | str]
) -> None:
  """Writes `scores.json`, `crystals.csv` and `report.html`.

  Args:
    folder: Made if it does not exist.
    scores: The scores.
    samples: Crystals in the order of `scores.crystals`; a str: the reason why
      there is none.
  """
  folder.mkdir(parents=True, exist_ok=True)
  with atomic.replacing(folder / 'scores.json') as path:
    path.write_text(json.dumps(scores.to_json(), indent=2) + '\n', 'utf-8')
  with (
    atomic.replacing(folder / 'crystals.csv') as path,
    path.open('w', newline='', encoding='utf-8') as file,
  ):
    writer = csv.DictWriter(file, list(scores.crystals[0]))
    writer.writeheader()
    writer.writerows(scores.crystals)
  write_page(folder / 'report.html', 'Scores', _sections(scores, samples))


def _sections(
  scores: SampleScores, samples: Sequence[Crystal | str]
) -> list[str]:
  metrics, name = scores.metrics, html.escape(scores.reference)
  lines = ''.join(
    f'<tr>{"".join(f"<td>{html.escape(cell)}</td>" for cell in row)}</tr>'
    for row in table.rows({'samples': metrics, 'held out': scores.heldout})
  )
  left_out = ''.join(
    f'<p>Left out: {html.escape(what)} ({html.escape(why)}).</p>'
    for what, why in scores.left_out.items()
  )
  if 'valid_composition' in metrics:
    valid, balance = 'valid', ', and charges that can balance'
  else:
    valid, balance = 'of valid structure', '; charges were not tested'
  parts = [
    '<h1>Scores of generated crystals</h1>',
    '<p class="headline">Of '
    f'{metrics["crystals"]:.0f} crystals <b>'
    f'{metrics["valid_unique_and_novel"]:.1%}</b> are {valid}, unique and not '
    f'among the training crystals of {name}.</p>',
    '<table><tr><th>metric</th><th>unit</th><th>samples</th><th>held-out '
    f'crystals of {name}</th></tr>{lines}</table>{left_out}',
    f'<p>Valid: no two atoms within 0.5 Å, a cell above 0.1 Å³{balance}. '
    'Unique: no earlier sample matches; novel: no training '
    "crystal matches (pymatgen's StructureMatcher, default tolerances). "
    'Wasserstein distances: valid samples against held-out crystals. In the '
    'column of held-out crystals, distances and coverage are those of as many '
    'training crystals as there are samples.</p>',
  ]
  order = np.random.default_rng(0).permutation(len(samples))
  sections: list[tuple[str, Callable[[Mapping[str, Any]], bool]]] = [
    ('Valid, unique and novel', _is_best),
    ('Invalid', lambda row: not _is_valid(row)),
    ('Ten at random', lambda row: True),
  ]
  for title, is_shown in sections:
    chosen = [i for i in order if is_shown(scores.crystals[i])][:_PICTURED]
    parts.append(f'<h2>{title}</h2>' + ('' if chosen else '<p>None.</p>'))
    for i in chosen:
      parts += _sample(scores.crystals[i], samples[i])
  return parts


def _is_valid(row: Mapping[str, Any]) -> bool:
  return row['valid_structure'] and row['valid_composition'] is not False


def _is_best(row: Mapping[str, Any]) -> bool:
  return _is_valid(row) and row['unique'] and row['novel']


def _sample(row: Mapping[str, Any], sample: Crystal | str) -> list[str]:
  flags = {
    'valid structure': row['valid_structure'],
    'valid composition': row['valid_composition'],
    'unique': row['unique'],
    'novel': row['novel'],
  }
  words = {True: 'yes', False: 'no', None: 'not evaluated'}
  text = ', '.join(f'{name}: {words[flag]}' for name, flag in flags.items())
  title = f'<h3>{html.escape(row["id"])}: {html.escape(row["formula"])}</h3>'
  if not isinstance(sample, Crystal):
    return [title, f'<p>No crystal: {html.escape(sample)}.</p>']
  crystal = to_host(sample)
  cell = np.asarray(crystal.cell)
  scene = plots.Scene(
    np.asarray(crystal.positions),
    np.asarray(crystal.numbers),
    np.zeros(3),
    cell,
  )
  return [
    title,
    f'<p>{text}.</p>',
    image(plots.atoms({'sample': scene})),
  ]
