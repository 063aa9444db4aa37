"""The loop that trains whatever a config asks for, and can be cut anywhere."""

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
  """The loss is not finite; the message names the step and what is left."""


def train(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike[str],
  task: run_lib.Trainable,
) -> tuple[run_lib.Run, TrainState]:
  """Trains to `config.train.steps`, from the latest checkpoint if there is one.

  In this order: model, data, a fresh state, then the latest checkpoint of
  `workdir` over it, or the weights that `config.train.start_from` names, then
  the loop. SIGTERM saves and returns early.

  Args:
    config: See `experiments/base.py`.
    workdir: Where checkpoints, metrics and logs go; made if absent.
    task: The task of the config; `crystal_jax.tasks.train` finds it.

  Returns:
    What was set up, and the state at the end.

  Raises:
    TrainingDivergedError: If the loss becomes infinite or NaN.
    ValueError: If the config or a checkpoint is at odds with the rest.
  """
  pathlib.Path(workdir).mkdir(parents=True, exist_ok=True)
  run = run_lib.set_up(config, task)
  run_lib.describe(run)
  provenance.write(workdir, run)
  state = run.fresh_state()
  batches = run.batches('train')
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
        state = start.start_from(state, config.train.start_from)
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
  loss_step = parallel.parallel_eval_step(run.loss_step)
  pending = []  # Metrics of steps not looked at yet, still on the device.
  first, begun, heldout = int(state.step), time.monotonic(), None
  with _Terminated() as terminated:
    for step in range(first + 1, config.train.steps + 1):
      batch = next(batches)
      with jax.transfer_guard_device_to_host('disallow'):
        state, sums = train_step(state, batch)
      pending.append(sums)
      # Read once, as the signal may come any time, and by several processes
      # together, which have to stop at the same step.
      asked = jax.process_count() == 1 or step % config.train.log_every == 0
      stopping = asked and parallel.anywhere(terminated.flag)
      last = step == config.train.steps or stopping
      due = lambda every: last or step % every == 0  # noqa: B023, E731
      if due(config.train.log_every) or due(config.train.checkpoint_every):
        row = _collect(pending, step, checkpoints)
        seconds = time.monotonic() - begun
        row['examples_per_second'] = (
          len(pending) * config.train.batch_size / seconds
        )
        log.write('train', step, row)
        pending, begun = [], time.monotonic()
      if due(config.train.eval_every) and 'heldout' in run.arrays:
        heldout = heldout_loss(run, state, loss_step)
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


def heldout_loss(run, state, loss_step) -> dict[str, float]:
  """Mean loss of the averaged parameters over some held-out batches."""
  # The same key whatever the step: losses at two steps compare.
  variables = {
    'params': state.ema,
    'key': parallel.replicate(jax.random.key(0)),
    'step': state.step,
  }
  total = None
  for batch in run.batches('heldout', limit=run.config.train.eval_batches):
    sums = loss_step(variables, batch)
    sums = jax.tree.map(lambda x: x.addressable_data(0)[0], sums)
    total = metrics.add(total, jax.device_get(sums))
  return _with_loss(metrics.divide(total))


def _collect(pending, step, checkpoints) -> dict[str, float]:
  """Fetches the metrics of the last steps at once; stops a diverged run."""
  rows = [metrics.divide(sums) for sums in jax.device_get(pending)]
  rows = [_with_loss(row) for row in rows]
  for at, row in zip(range(step - len(rows) + 1, step + 1), rows, strict=True):
    if not math.isfinite(row['loss'] + row['gradient_norm']):
      checkpoints.wait_until_finished()
      good = checkpoints.latest_step()
      raise TrainingDivergedError(
        f'The loss was {row["loss"]} and the gradient norm '
        f'{row["gradient_norm"]} at step {at}. The last good checkpoint is '
        f'{"none" if good is None else f"step {good}"} in '
        f'{checkpoints.directory}. Lower train.learning_rate or train.clip.'
      )
  return {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}


def _with_loss(row: dict[str, float]) -> dict[str, float]:
  parts = [value for name, value in row.items() if name.startswith('loss_')]
  return {'loss': sum(parts), **row}


class _Terminated:
  """Notes a SIGTERM, and lets the step under way end."""

  def __init__(self):
    self.flag = False

  def __enter__(self):
    try:
      self._before = signal.signal(signal.SIGTERM, self._note)
    except ValueError:  # Not in the main thread, where no signal arrives.
      self._before = None
    return self

  def __exit__(self, *unused):
    if self._before is not None:
      signal.signal(signal.SIGTERM, self._before)

  def _note(self, *unused):
    self.flag = True


def load(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike[str],
  task: run_lib.Trainable,
) -> tuple[run_lib.Run, TrainState]:
  """A trained run, to evaluate: its latest checkpoint.

  Raises:
    FileNotFoundError: If `workdir` holds no checkpoint.
  """
  run = run_lib.set_up(config, task)
  with checkpoints_lib.open_checkpoints(workdir) as checkpoints:
    state, _ = checkpoints_lib.restore(checkpoints, run.fresh_state(), config)
  provenance.write(workdir, run)
  return run, state
