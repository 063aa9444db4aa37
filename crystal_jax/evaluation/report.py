"""`report.html`: one page that opens offline and shows what was learnt."""

import html
import os
import pathlib

import ml_collections
import numpy as np
from matplotlib.figure import Figure

from crystal_jax.evaluation import figures
from crystal_jax.evaluation.scores import Scores
from crystal_jax.structure import elements
from crystal_jax.training import logs

_UNITS = {
  'crystals': '',
  'reconstruction_mse': '(weight/Å³)²',
  'nearest_median': 'Å',
  'nearest_p90': 'Å',
  'decoded_nearest_median': 'Å',
  'decoded_nearest_p90': 'Å',
  'head_length_error': 'relative',
  'head_angle_error': '°',
  'kl_nats': '',
  'lattice_units': '/ 0.3 % or 0.3°',
  'crystals_6.67': '',
  'crystals_10': '',
  'rmse': '/ (V/N)^(1/3)',
  'sampled_rmse': '/ (V/N)^(1/3)',
  'codec_rmse': '/ (V/N)^(1/3)',
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
  scores: Scores,
) -> None:
  """Writes `workdir/report.html`.

  Args:
    workdir: Its `metrics.jsonl` gives the curves.
    config: Printed at the end.
    scores: What the evaluation came to.
  """
  rows = logs.read_metrics(workdir / logs.METRICS_FILE)
  parts = [
    '<h1>Crystals through a latent and back</h1>',
    f'<p>Held-out crystals were never trained on. {scores.note}</p>',
    _results(scores.results),
  ]
  if rows:
    parts += ['<h2>Learning</h2>', image(figures.curves(rows))]
  parts += scores.sections
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


def image(figure: Figure) -> str:
  """A figure as HTML that needs no other file."""
  return f'<img alt="" src="{figures.to_data_uri(figure)}">'


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
