"""Two processes train as one does."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from crystal_jax.codec.config import to_json

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of each process: most of its time is compilation.
_ENVIRONMENT = {'PYTHONPATH': str(ROOT), 'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'}

_SCRIPT = """
import json
import sys
import jax
import numpy as np
config, workdir, out, address, count, index = sys.argv[1:]
if int(count) > 1:
  jax.distributed.initialize(address, int(count), int(index))
from crystal_jax.codec.config import from_plain
from crystal_jax import tasks
_, state = tasks.train(from_plain(json.load(open(config))), workdir)
leaves = [np.asarray(x.addressable_data(0)) for x in jax.tree.leaves(state.ema)]
np.savez(out, *leaves)
"""


def _start(config, tmp_path, name, count, devices):
  """`count` processes of `devices` devices."""
  address = f'127.0.0.1:{_free_port()}'
  (tmp_path / 'config.json').write_text(to_json(config))
  script = tmp_path / 'script.py'
  script.write_text(_SCRIPT)
  flags = f'--xla_force_host_platform_device_count={devices}'
  return [
    subprocess.Popen(
      [sys.executable, script, tmp_path / 'config.json', tmp_path / name]
      + [tmp_path / f'{name}{i}.npz', address, str(count), str(i)],
      cwd=ROOT,
      env={**os.environ, **_ENVIRONMENT, 'XLA_FLAGS': flags},
      stderr=subprocess.PIPE,
      text=True,
    )
    for i in range(count)
  ]


def _free_port():
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    return probe.getsockname()[1]


def _finish(processes, tmp_path, name):
  """Waits for them; returns their parameters."""
  for process in processes:
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-3000:]
  return [
    list(np.load(tmp_path / f'{name}{i}.npz').values())
    for i in range(len(processes))
  ]


@pytest.mark.slow
def test_two_processes_equal_one_of_two_devices(tiny_config, tmp_path):
  (one,) = _finish(_start(tiny_config, tmp_path, 'one', 1, 2), tmp_path, 'one')
  first, second = _finish(
    _start(tiny_config, tmp_path, 'two', 2, 1), tmp_path, 'two'
  )
  for a, b, c in zip(one, first, second, strict=True):
    np.testing.assert_array_equal(b, c)
    np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


_CONFIG = """
import json
import pathlib
from crystal_jax.codec.config import from_plain

def get_config():
  text = pathlib.Path(__file__).with_suffix('.json').read_text()
  return from_plain(json.loads(text))
"""


@pytest.mark.slow
def test_a_killed_process_ends_the_other_and_the_training_resumes(
  tiny_config, tmp_path
):
  with tiny_config.unlocked():
    tiny_config.train.update(steps=100_000, log_every=2, checkpoint_every=2)
  (tmp_path / 'config.json').write_text(to_json(tiny_config))
  (tmp_path / 'config.py').write_text(_CONFIG)

  def start():
    address = f'127.0.0.1:{_free_port()}'
    processes = []
    for i in range(2):
      command = [sys.executable, '-m', 'experiments.main', '--distributed']
      command += [f'--config={tmp_path}/config.py', f'--workdir={tmp_path}/run']
      command += [f'--coordinator={address}', '--num_processes=2']
      command += [f'--process_id={i}']
      environment = {**os.environ, **_ENVIRONMENT, 'XLA_FLAGS': ''}
      with (tmp_path / f'log{i}').open('w') as log:
        processes.append(
          subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
        )
    return processes

  def wait_for(text):
    begun = time.monotonic()
    while text not in (tmp_path / 'log0').read_text():
      assert time.monotonic() - begun < 300, (tmp_path / 'log0').read_text()
      time.sleep(0.2)

  first, second = start()
  wait_for('step 8 of')
  second.kill()
  assert first.wait(timeout=60) != 0
  log = (tmp_path / 'log0').read_text()
  # By our line, or by JAX's if a checkpoint was being saved.
  assert 'another one may have ended' in log or 'another task died' in log
  again = start()
  wait_for('Resuming at step')
  wait_for('train: loss')
  for process in again:
    process.terminate()
  assert [process.wait(timeout=120) for process in again] == [0, 0]
  second.wait()


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_at_the_same_step(
  tiny_config, tmp_path
):
  with tiny_config.unlocked():
    tiny_config.train.update(steps=100_000, log_every=2)
  processes = _start(tiny_config, tmp_path, 'cut', 2, 1)
  rows = tmp_path / 'cut' / 'metrics.jsonl'
  begun = time.monotonic()
  while not (rows.exists() and rows.read_text()):
    assert time.monotonic() - begun < 300, 'no row of metrics in 5 minutes'
    time.sleep(0.5)
  processes[1].send_signal(signal.SIGTERM)
  first, second = _finish(processes, tmp_path, 'cut')
  for a, b in zip(first, second, strict=True):
    np.testing.assert_array_equal(a, b)
  saved = [int(p.name) for p in (tmp_path / 'cut' / 'checkpoints').iterdir()]
  assert max(saved) < 100_000 and max(saved) % 2 == 0
