"""Training loop that can be interrupted at any point and resumed."""

import logging
import math
import os
import pathlib
import signal
import time

import jax
import ml_collections
import numpy as np

from crystal_jax.training import checkpoints as checkpoints_lib
from crystal_jax.training import logs, metrics, parallel, provenance, start
from crystal_jax.training import run as run_lib
from crystal_jax.training.state import TrainState

_log = logging.getLogger(__name__)


class TrainingDivergedError(RuntimeError):
  """The loss is not finite; the message names the last good checkpoint."""


def train(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike[str],
  task: run_lib.Trainable,
) -> tuple[run_lib.Run, TrainState]:
  """Trains to `config.train.steps`, from the latest checkpoint if there is one.

  The state is that of the latest checkpoint of `workdir`; without one, that of
  the weights in `config.train.start_from`; without those, a fresh one. SIGTERM
  saves and returns early.

  Args:
    config: See `experiments/base.py`.
    workdir: Folder of checkpoints, metrics and logs; created if absent.
    task: The task of the config; `crystal_jax.tasks.train` passes it.

  Returns:
    The run and its last state.

  Raises:
    TrainingDivergedError: If the loss becomes infinite or NaN.
    ValueError: If fields of the config contradict each other, or a checkpoint
      is of another model.
  """
  pathlib.Path(workdir).mkdir(parents=True, exist_ok=True)
  run = run_lib.set_up(config, task)
  run_lib.describe(run)
  provenance.write(workdir, run)
  state = run.fresh_state()
  batches = run.train_batches()
  data_state = batches.get_state()
  with checkpoints_lib.open_checkpoints(
    workdir, config.train.keep
  ) as checkpoints:
    if checkpoints.latest_step() is not None:
      state, data_state = checkpoints_lib.restore(checkpoints, state, config)
      batches.set_state(data_state)
      _log.info('Resuming at step %d of %s.', int(state.step), workdir)
    else:
      if config.train.start_from:
        state = start.start_from(
          state, config.train.start_from, task.make_model, task.read_params
        )
        _log.info('Starting from the weights of %s.', config.train.start_from)
      state = parallel.replicate(state)
    first = int(state.step)
    log = logs.RunLog(workdir, first, config.train.steps)
    try:
      state = _loop(run, state, batches, checkpoints, log)
    finally:
      log.close()
  return run, state


def _loop(run, state, batches, checkpoints, log) -> TrainState:
  config = run.config
  train_step = parallel.parallel_train_step(run.train_step)
  eval_step = parallel.parallel_eval_step(run.eval_step)
  pending = []  # Metrics of the latest steps, still on the device.
  first, begun, heldout = int(state.step), time.monotonic(), None
  with _Terminated() as terminated:
    for step in range(first + 1, config.train.steps + 1):
      batch = next(batches)
      with jax.transfer_guard_device_to_host('disallow'):
        state, sums = train_step(state, batch)
      pending.append(sums)
      # Several processes agree on the step at which they stop.
      may_stop = jax.process_count() == 1 or step % config.train.log_every == 0
      stopping = may_stop and parallel.anywhere(terminated.flag)
      last = step == config.train.steps or stopping
      due = lambda interval: last or step % interval == 0  # noqa: B023, E731
      if due(config.train.log_every) or due(config.train.checkpoint_every):
        row = _collect(pending, step, checkpoints)
        seconds = time.monotonic() - begun
        row['examples_per_second'] = (
          len(pending) * config.train.batch_size / seconds
        )
        log.write('train', step, row)
        pending, begun = [], time.monotonic()
      if due(config.train.eval_every) and 'heldout' in run.arrays:
        heldout = heldout_loss(run, state, eval_step)
        log.write('heldout', step, heldout)
        begun = time.monotonic()
      if due(config.train.checkpoint_every):
        checkpoints_lib.save(
          checkpoints, state, batches.get_state(), config, heldout
        )
        heldout = None
      if stopping:
        checkpoints.wait_until_finished()
        _log.info('Terminated: saved at step %d.', step)
        break
  checkpoints.wait_until_finished()
  return state


def heldout_loss(run, state, eval_step) -> dict[str, float]:
  """Mean loss of the averaged parameters over held-out batches."""
  # The same key at every step, so that losses of two steps are comparable.
  variables = {
    'params': state.ema,
    'key': parallel.replicate(jax.random.key(0)),
    'step': state.step,
  }
  total: metrics.Sums | None = None
  for batch in run.heldout_batches(limit=run.config.train.eval_batches):
    sums = eval_step(variables, batch)
    sums = jax.tree.map(lambda x: x.addressable_data(0)[0], sums)
    total = metrics.add(total, jax.device_get(sums))
  return _with_loss(metrics.divide(total or {}))


def _collect(pending, step, checkpoints) -> dict[str, float]:
  """Mean metrics of the pending steps; raises if the loss diverged."""
  rows = [metrics.divide(sums) for sums in jax.device_get(pending)]
  rows = [_with_loss(row) for row in rows]
  first = step - len(rows) + 1
  for number, row in enumerate(rows, start=first):
    if not math.isfinite(row['loss'] + row['gradient_norm']):
      checkpoints.wait_until_finished()
      last_good = checkpoints.latest_step()
      raise TrainingDivergedError(
        f'The loss was {row["loss"]} and the gradient norm '
        f'{row["gradient_norm"]} at step {number}. The last good checkpoint is '
        f'{"none" if last_good is None else f"step {last_good}"} in '
        f'{checkpoints.directory}. Lower train.learning_rate or train.clip.'
      )
  return {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}


def _with_loss(row: dict[str, float]) -> dict[str, float]:
  parts = [value for name, value in row.items() if name.startswith('loss_')]
  return {'loss': sum(parts), **row}


class _Terminated:
  """Sets `flag` on SIGTERM, so that the current step ends first."""

  def __init__(self):
    self.flag = False

  def __enter__(self):
    try:
      self._before = signal.signal(signal.SIGTERM, self._set)
    except ValueError:  # Not in the main thread: signals never arrive here.
      self._before = None
    return self

  def __exit__(self, *unused):
    if self._before is not None:
      signal.signal(signal.SIGTERM, self._before)

  def _set(self, *unused):
    self.flag = True


def load(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike[str],
  task: run_lib.Trainable,
) -> tuple[run_lib.Run, TrainState]:
  """A trained run at its latest checkpoint, for evaluation.

  Raises:
    FileNotFoundError: If `workdir` holds no checkpoint.
  """
  run = run_lib.set_up(config, task)
  with checkpoints_lib.open_checkpoints(workdir) as checkpoints:
    state, _ = checkpoints_lib.restore(checkpoints, run.fresh_state(), config)
  provenance.write(workdir, run)
  return run, state
