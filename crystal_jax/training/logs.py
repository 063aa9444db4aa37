"""Logs of a run: lines or a progress bar, JSON lines, TensorBoard."""

import json
import logging
import os
import pathlib
import sys
import time
from collections.abc import Mapping

import jax
import tensorboardX
from tqdm import tqdm

_log = logging.getLogger(__name__)

METRICS_FILE = 'metrics.jsonl'


class RunLog:
  """Writes metrics to the workdir, in the first process only.

  Args:
    workdir: Folder of `metrics.jsonl` and TensorBoard's files.
    first_step: Step at which the run starts; rows of later steps, left by a
      killed run, are removed.
    steps: Step at which the run ends.
  """

  def __init__(
    self, workdir: str | os.PathLike[str], first_step: int, steps: int
  ):
    self._main = jax.process_index() == 0
    self._steps = steps
    self._start = time.monotonic(), first_step
    if not self._main:
      return
    path = pathlib.Path(workdir) / METRICS_FILE
    kept = [row for row in read_metrics(path) if row['step'] <= first_step]
    self._file = path.open('w', encoding='utf-8')
    for row in kept:
      self._file.write(json.dumps(row) + '\n')
    self._tensorboard = tensorboardX.SummaryWriter(
      str(pathlib.Path(workdir) / 'tensorboard'), purge_step=first_step + 1
    )
    self._bar = None
    if sys.stderr.isatty():
      self._bar = tqdm(total=steps, initial=first_step, unit='step')

  def write(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
    """Writes a row of metrics of a split ('train' or 'heldout')."""
    if not self._main:
      return
    self._file.write(
      json.dumps({'step': step, 'split': split, **metrics}) + '\n'
    )
    self._file.flush()
    for name, value in metrics.items():
      self._tensorboard.add_scalar(f'{split}/{name}', value, step)
    text = ', '.join(f'{name} {value:.4g}' for name, value in metrics.items())
    if self._bar is not None:
      self._bar.update(step - self._bar.n)
      self._bar.set_description(f'{split} loss {metrics["loss"]:.4g}')
      return
    begun, first = self._start
    rate = (step - first) / max(time.monotonic() - begun, 1e-9)
    _log.info(
      'step %d of %d (%.2f a second), %s: %s',
      step,
      self._steps,
      rate,
      split,
      text,
    )

  def close(self) -> None:
    """Flushes and closes the files."""
    if not self._main:
      return
    if self._bar is not None:
      self._bar.close()
    self._file.close()
    self._tensorboard.close()


def read_metrics(path: pathlib.Path) -> list[dict]:
  """The rows of a `metrics.jsonl`; incomplete lines are skipped."""
  rows = []
  if path.exists():
    for line in path.read_text(encoding='utf-8').splitlines():
      try:
        rows.append(json.loads(line))
      except json.JSONDecodeError:
        _log.warning('%s: skipped an incomplete line.', path)
  return rows
