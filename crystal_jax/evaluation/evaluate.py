"""A trained run on crystals it has seen and on crystals it has not.

Which scores there are depends on the kind of model; writing them down does not.
"""

import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Mapping

import numpy as np

from crystal_jax.evaluation import report
from crystal_jax.evaluation.scores import Scores
from crystal_jax.io import write
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
  """Writes `metrics.json`, `cif/` and `report.html` into `workdir`.

  Args:
    run: What was trained.
    state: Its state; the averaged parameters are evaluated.
    workdir: Where to write.
    score: Of the run's task; `crystal_jax.tasks.evaluate` finds it.

  Returns:
    What `metrics.json` holds, a column each for train, heldout, oracle and
    baseline; see the scores of the model's kind.
  """
  workdir = pathlib.Path(workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  scores = score(run, state)
  for column, row in scores.results.items():
    text = ', '.join(f'{name} {value:.4g}' for name, value in row.items())
    _log.info('%s: %s', column, text)
  _write_json(workdir / 'metrics.json', scores.results)
  _write_cifs(workdir / 'cif', scores.crystals)
  report.write(workdir, run.config, scores)
  _log.info('Report: %s', workdir / 'report.html')
  return scores.results


def _write_json(path, results):
  """NaN, where nothing was counted, becomes null: JSON has no NaN."""
  results = {
    column: {k: None if np.isnan(v) else v for k, v in row.items()}
    for column, row in results.items()
  }
  partial = path.with_suffix('.partial')
  partial.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')
  os.replace(partial, path)


def _write_cifs(folder: pathlib.Path, crystals: Mapping[str, Crystal]):
  """The decoded crystals, in place of those of an earlier evaluation."""
  folder.mkdir(exist_ok=True)
  for old in folder.glob('*.cif'):
    old.unlink()
  for name, crystal in crystals.items():
    # An id may be a path, of a user's folder or of somebody's making.
    safe = re.sub(r'[^\w.+#-]', '_', name).lstrip('.')
    write(folder / f'{safe}.cif', crystal)
  _log.info('%d decoded crystals written to %s.', len(crystals), folder)
