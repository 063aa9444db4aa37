"""HTML report of an evaluation: `report.html`, readable offline."""

from __future__ import annotations

import html
import pathlib
from collections.abc import Mapping

import ml_collections
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from crystal_jax import plots
from crystal_jax.evaluation.metric_labels import format_value, label
from crystal_jax.evaluation.scores import Scores
from crystal_jax.io import atomic
from crystal_jax.structure import elements
from crystal_jax.training import logs

# The interactive page beside the report.
PAIRS = 'pairs.html'

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .2rem .8rem; border-bottom: 1px solid #ddd;
  text-align: right; }
td:first-child, th:first-child { text-align: left; }
.headline { font-size: 1.25rem; }
img { max-width: 100%; } pre { background: #f6f6f6; padding: 1rem; }
"""


def write(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  scores: Scores,
) -> None:
  """Writes `workdir/report.html`.

  Args:
    workdir: Workdir of the run; `metrics.jsonl` in it has the learning curves.
    config: Config of the run, printed at the end.
    scores: The evaluation.
  """
  rows = logs.read_metrics(workdir / logs.METRICS_FILE)
  parts = [
    '<h1>Crystals through a latent and back</h1>',
    f'<p class="headline">{scores.headline}</p>',
    f'<p>Held-out crystals were never trained on. {scores.note}</p>',
  ]
  if scores.pairs:
    parts.append(
      f'<p><a href="{PAIRS}">Held-out crystals beside the decoded ones</a>, '
      'rotating.</p>'
    )
  parts += scores.sections
  parts += ['<h2>All metrics</h2>', metrics_table(scores.results)]
  if rows:
    parts += ['<h2>Learning</h2>', image(plots.curves(rows))]
  parts += ['<h2>Config</h2>', f'<pre>{html.escape(str(config))}</pre>']
  write_page(workdir / 'report.html', 'crystal_jax report', parts)


def write_page(path: pathlib.Path, title: str, parts: list[str]) -> None:
  """Writes a page of HTML, replacing an earlier one at once.

  Args:
    path: The file.
    title: Title of the page, plain text.
    parts: HTML.
  """
  page = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    f'<title>{html.escape(title)}</title><style>{_STYLE}</style>'
    + '\n'.join(parts)
    + '</html>\n'
  )
  with atomic.replacing(path) as partial:
    partial.write_text(page, encoding='utf-8')


def image(figure: Figure) -> str:
  """A figure as HTML with the image embedded."""
  return f'<img alt="" src="{plots.to_data_uri(figure)}">'


def formula(numbers: Int[np.ndarray, 'N']) -> str:
  """Elements and counts in the order of atomic numbers, as 'H2 O1'."""
  species, counts = np.unique(numbers, return_counts=True)
  return ' '.join(
    f'{elements.symbol(int(z))}{n}'
    for z, n in zip(species, counts, strict=True)
  )


def metrics_table(results: Mapping[str, Mapping[str, float]]) -> str:
  """All metrics as an HTML table, with their units.

  Args:
    results: Metrics by column and name.
  """
  names = dict.fromkeys(n for metrics in results.values() for n in metrics)
  head = ''.join(f'<th>{html.escape(column)}</th>' for column in results)
  lines = [f'<tr><th>metric</th><th>unit</th>{head}</tr>']
  for name in names:
    text, unit = label(name)
    cells = ''.join(
      f'<td>{format_value(metrics[name], unit)}</td>'
      if name in metrics
      else '<td></td>'
      for metrics in results.values()
    )
    lines.append(
      f'<tr><td title="{html.escape(name)}">{html.escape(text)}</td>'
      f'<td>{html.escape(unit)}</td>{cells}</tr>'
    )
  return f'<table>{"".join(lines)}</table>'
