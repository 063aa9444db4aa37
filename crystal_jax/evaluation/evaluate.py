"""Evaluation of a trained run on training and held-out crystals.

Which metrics there are depends on the task. Writing them does not.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pathlib
from collections.abc import Callable, Mapping

from crystal_jax import viewer
from crystal_jax.evaluation import report
from crystal_jax.evaluation.scores import Scores
from crystal_jax.io import atomic
from crystal_jax.io.folder import Folder
from crystal_jax.structure.crystal import Crystal
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

_log = logging.getLogger(__name__)


def evaluate(
  run: Run,
  state: TrainState,
  workdir: str | os.PathLike[str],
  score: Callable[[Run, TrainState], Scores],
) -> Mapping[str, Mapping[str, float]]:
  """Writes metrics, crystals and two pages into `workdir`.

  `metrics.json`, `cif/`, `report.html`, and `pairs.html`, on which held-out
  crystals rotate beside the decoded ones.

  Args:
    run: The run to evaluate.
    state: Its train state; the averaged parameters are evaluated.
    workdir: Output folder.
    score: Score function of the run's task; `crystal_jax.tasks.evaluate`
      passes it.

  Returns:
    The content of `metrics.json`: a column of metrics for each of train,
    heldout, oracle and baseline.
  """
  workdir = pathlib.Path(workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  # spglib, written in C, prints each symmetry search that fails.
  os.environ.setdefault('SPGLIB_WARNING', 'OFF')
  scores = score(run, state)
  for column, metrics in scores.results.items():
    text = ', '.join(f'{name} {value:.4g}' for name, value in metrics.items())
    _log.info('%s: %s', column, text)
  _write_json(workdir / 'metrics.json', scores.results)
  _write_cifs(workdir / 'cif', scores.crystals)
  _write_pairs(workdir / report.PAIRS, scores)
  report.write(workdir, run.config, scores)
  _log.info('Report: %s', workdir / 'report.html')
  return scores.results


def _write_pairs(path: pathlib.Path, scores: Scores) -> None:
  """Writes the page of held-out and decoded crystals, if there are any."""
  path.unlink(missing_ok=True)
  if scores.pairs:
    viewer.write_page(path, scores.pairs, title='Held-out crystals, decoded')


def _write_json(
  path: pathlib.Path, results: Mapping[str, Mapping[str, float]]
) -> None:
  """Writes metrics; NaN becomes null, since JSON has no NaN."""
  columns = {
    column: {k: None if math.isnan(v) else v for k, v in metrics.items()}
    for column, metrics in results.items()
  }
  with atomic.replacing(path) as partial:
    partial.write_text(json.dumps(columns, indent=2) + '\n', 'utf-8')


def _write_cifs(path: pathlib.Path, crystals: Mapping[str, Crystal]) -> None:
  """Writes decoded crystals in place of those of an earlier evaluation."""
  for old in path.glob('*.cif'):
    old.unlink()
  folder = Folder(path)
  for id_, crystal in crystals.items():
    folder.write(id_, crystal)
  _log.info('%d decoded crystals written to %s.', len(crystals), path)
