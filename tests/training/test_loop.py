"""Runs that stop and go on: by plan, by signal, by kill, by NaN."""

import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from crystal_jax import tasks
from crystal_jax.codec.config import to_json
from crystal_jax.codec.model import make_model
from crystal_jax.training import checkpoints, logs, loop
from tests import tiny_configs

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _leaves(state):
  state = state.replace(key=jax.random.key_data(state.key))
  return jax.tree.leaves(jax.device_get(state))


@pytest.fixture(scope='module')
def unbroken(data_dir, tmp_path_factory):
  """A config, the workdir of a whole run of it, and its last state."""
  config = tiny_configs.tiny_config(data_dir)
  workdir = tmp_path_factory.mktemp('unbroken')
  _, state = tasks.train(config, workdir)
  return config, workdir, state


@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(unbroken, tmp_path):
  config, workdir, state = unbroken
  with checkpoints.open_checkpoints(workdir) as manager:
    assert manager.latest_step() == 6
  # What a run killed after step 3 leaves: the checkpoint of step 3.
  three = pathlib.Path(checkpoints.FOLDER, '3')
  shutil.copytree(workdir / three, tmp_path / three)
  _, resumed = tasks.train(config, tmp_path)
  for a, b in zip(_leaves(state), _leaves(resumed), strict=True):
    np.testing.assert_array_equal(a, b)
  rows = logs.read_metrics(tmp_path / logs.METRICS_FILE)
  assert [r['step'] for r in rows if r['split'] == 'train'] == [4, 6]
  rows = logs.read_metrics(workdir / logs.METRICS_FILE)
  assert [r['step'] for r in rows if r['split'] == 'train'] == [2, 3, 4, 6]
  assert [r['step'] for r in rows if r['split'] == 'heldout'] == [3, 6]


@pytest.mark.slow
def test_a_run_that_reads_in_place_goes_on_as_one_in_memory(unbroken, tmp_path):
  config, workdir, state = unbroken
  three = pathlib.Path(checkpoints.FOLDER, '3')
  shutil.copytree(workdir / three, tmp_path / three)
  config = config.copy_and_resolve_references()
  config.data.in_place = str(tmp_path / 'shown')
  _, resumed = tasks.train(config, tmp_path)
  assert len(list((tmp_path / 'shown').glob('*.npy'))) == 2
  for a, b in zip(_leaves(state), _leaves(resumed), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_finished_run_is_left_as_it_is(unbroken, tmp_path):
  config, workdir, state = unbroken
  shutil.copytree(workdir, tmp_path / 'again')
  _, again = tasks.train(config, tmp_path / 'again')
  for a, b in zip(_leaves(state), _leaves(again), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_another_config_in_the_same_workdir_is_an_error(unbroken, tiny_config):
  _, workdir, _ = unbroken
  tiny_config.model.vae.latent = 4
  with pytest.raises(ValueError, match='differs in model.vae.latent'):
    tasks.train(tiny_config, workdir)


@pytest.mark.slow
def test_a_model_is_loaded_without_its_data(unbroken, tmp_path):
  config, workdir, state = unbroken
  found, model, params = checkpoints.load_model(workdir)
  assert found == config
  assert model == make_model(config.model)
  for a, b in zip(
    jax.tree.leaves(jax.device_get(state.ema)),
    jax.tree.leaves(params),
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)
  with pytest.raises(FileNotFoundError, match='train first'):
    checkpoints.load_model(tmp_path)


@pytest.mark.slow
def test_nan_stops_the_run_and_names_the_last_good_step(tiny_config, tmp_path):
  tiny_config.train.box_loss.beta = math.inf
  with pytest.raises(loop.TrainingDivergedError, match='at step 1.*none'):
    tasks.train(tiny_config, tmp_path)
  assert not list((tmp_path / checkpoints.FOLDER).glob('[0-9]*'))


@pytest.mark.slow
def test_sigterm_saves_and_returns(tiny_config, tmp_path, monkeypatch):
  write = logs.RunLog.write

  def write_and_terminate(log, split, step, row):
    write(log, split, step, row)
    os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(logs.RunLog, 'write', write_and_terminate)
  _, state = tasks.train(tiny_config, tmp_path)
  # The signal came after step 2; the step after it ends, and is saved.
  assert int(state.step) == 3
  with checkpoints.open_checkpoints(tmp_path) as manager:
    assert manager.latest_step() == 3


def test_loading_without_a_checkpoint_is_an_error(tiny_config, tmp_path):
  with pytest.raises(FileNotFoundError, match='train first'):
    tasks.load(tiny_config, tmp_path)


def test_an_incomplete_line_is_skipped(tmp_path, caplog):
  path = tmp_path / logs.METRICS_FILE
  path.write_text(json.dumps({'step': 1}) + '\n{"step": 2, "sp')
  assert logs.read_metrics(path) == [{'step': 1}]
  assert 'incomplete line' in caplog.text


@pytest.mark.slow
def test_kill_9_loses_at_most_the_interval(tiny_config, tmp_path):
  """Killed in the midst, a run goes on from a whole checkpoint."""
  script = tmp_path / 'run.py'
  script.write_text(
    'import json, sys\n'
    'from crystal_jax.codec.config import from_plain\n'
    'from crystal_jax import tasks\n'
    'tasks.train(from_plain(json.load(open(sys.argv[1]))), sys.argv[2])\n'
  )
  tiny_config.train.steps = 100_000
  tiny_config.train.checkpoint_every = 5
  tiny_config.train.eval_every = 100_000
  config_file = tmp_path / 'config.json'
  config_file.write_text(to_json(tiny_config))
  workdir = tmp_path / 'work'
  reached = last = 0
  for wait in (3.0, 4.1):
    process = subprocess.Popen(
      [sys.executable, script, config_file, workdir],
      cwd=ROOT,
      env={
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'JAX_DISABLE_MOST_OPTIMIZATIONS': '1',
      },
    )
    deadline = time.monotonic() + 240
    rows = []
    # Past what the killed run had logged, by more than an interval.
    while not rows or rows[-1]['step'] <= last + 5:
      assert time.monotonic() < deadline and process.poll() is None
      time.sleep(0.2)
      rows = logs.read_metrics(workdir / logs.METRICS_FILE)
    time.sleep(wait)
    process.kill()
    process.wait()
    last = logs.read_metrics(workdir / logs.METRICS_FILE)[-1]['step']
    with checkpoints.open_checkpoints(workdir) as manager:
      saved = manager.latest_step()
    # One more interval: a save in the background when the kill came.
    assert saved >= last - 2 * tiny_config.train.checkpoint_every
    assert saved > reached
    reached = saved
