"""`report.html`: one page that opens offline and shows what was learnt."""

import html
import os
import pathlib
from collections.abc import Mapping, Sequence

import ml_collections
import numpy as np

from crystal_jax import elements
from crystal_jax.evaluation import figures
from crystal_jax.training import logs

_UNITS = {
  'crystals': '',
  'reconstruction_mse': '(weight/Å³)²',
  'nearest_median': 'Å',
  'nearest_p90': 'Å',
  'decoded_nearest_median': 'Å',
  'decoded_nearest_p90': 'Å',
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .2rem .8rem; border-bottom: 1px solid #ddd;
  text-align: right; }
td:first-child, th:first-child { text-align: left; }
img { max-width: 100%; } pre { background: #f6f6f6; padding: 1rem; }
"""


def write(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  results: Mapping[str, Mapping[str, float]],
  cases: Sequence,
) -> None:
  """Writes `workdir/report.html`.

  Args:
    workdir: Its `metrics.jsonl` gives the curves.
    config: Printed at the end.
    results: What `evaluate` returns.
    cases: Held-out `evaluate.Case`s.
  """
  rows = logs.read_metrics(workdir / logs.METRICS_FILE)
  parts = [
    '<h1>Crystals through a latent and back</h1>',
    '<p>Held-out crystals were never trained on. The oracle is the decoder on '
    'the true densities; the baseline is the mean training density and the '
    'best constant species.</p>',
    _results(results),
  ]
  if rows:
    parts += ['<h2>Learning</h2>', _image(figures.curves(rows))]
  parts.append('<h2>Held-out crystals</h2>')
  for case in cases:
    if case.picture is not None:
      parts += _case(case)
  parts += ['<h2>The worst of them</h2>', _worst(cases)]
  parts += ['<h2>Config</h2>', f'<pre>{html.escape(str(config))}</pre>']
  page = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    f'<title>crystal_jax report</title><style>{_STYLE}</style>'
    + '\n'.join(parts)
    + '</html>\n'
  )
  path = workdir / 'report.html'
  partial = path.with_suffix('.partial')
  partial.write_text(page, encoding='utf-8')
  os.replace(partial, path)


def formula(numbers: np.ndarray) -> str:
  """Elements and counts in order of atomic number, as H2 O1."""
  found, counts = np.unique(numbers, return_counts=True)
  return ' '.join(
    f'{elements.symbol(int(z))}{n}' for z, n in zip(found, counts, strict=True)
  )


def _results(results) -> str:
  columns = list(results)
  names = list(dict.fromkeys(name for row in results.values() for name in row))
  head = ''.join(f'<th>{c}</th>' for c in columns)
  body = ''
  for name in names:
    cells = ''.join(
      f'<td>{results[c][name]:.4g}</td>' if name in results[c] else '<td></td>'
      for c in columns
    )
    unit = _UNITS.get(name, 'share')
    body += f'<tr><td>{name} {unit}</td>{cells}</tr>'
  return f'<table><tr><th></th>{head}</tr>{body}</table>'


def _case(case) -> list[str]:
  picture, true, decoded = case.picture, case.true, case.decoded
  shown = lambda atoms: (  # noqa: E731
    atoms.positions[atoms.inside],
    atoms.numbers[atoms.inside],
  )
  lattice = 'its own lattice' if case.lattice_found else 'the given lattice'
  parts = [
    f'<h3>{html.escape(case.id)}</h3>',
    f'<p>In the grid: {formula(true.numbers[true.inside])}; decoded: '
    f'{formula(decoded.numbers[decoded.inside]) or "nothing"}. Density error '
    f'{case.mse:.4g} (weight/Å³)². '
    + (f'The crystal was put together in {lattice}.' if case.crystal else '')
    + '</p>',
    _image(figures.densities(picture['density'], picture['predicted_density'])),
  ]
  if 'predicted_labels' in picture:
    maps = figures.species_maps(picture['labels'], picture['predicted_labels'])
    parts.append(_image(maps))
  parts.append(_image(figures.atoms(shown(true), shown(decoded))))
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


def _image(figure) -> str:
  return f'<img alt="" src="{figures.to_data_uri(figure)}">'
