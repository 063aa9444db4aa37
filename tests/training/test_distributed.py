"""Two processes train as one does."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

_SCRIPT = """
import json, os, sys
import jax
import numpy as np
import ml_collections
config, workdir, out, address, count, index = sys.argv[1:]
if int(count) > 1:
  jax.distributed.initialize(address, int(count), int(index))
from crystal_jax.training import loop
config = json.load(open(config))
for name in ('vae', 'unet'):
  config[name]['widths'] = tuple(config[name]['widths'])
_, state = loop.train(ml_collections.ConfigDict(config), workdir)
leaves = [np.asarray(x.addressable_data(0)) for x in jax.tree.leaves(state.ema)]
np.savez(out, *leaves)
"""


def _launch(config, tmp_path, name, count, devices):
  """Runs `count` processes of `devices` devices; returns their parameters."""
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    address = f'127.0.0.1:{probe.getsockname()[1]}'
  (tmp_path / 'config.json').write_text(json.dumps(config.to_dict()))
  script = tmp_path / 'script.py'
  script.write_text(_SCRIPT)
  flags = f'--xla_force_host_platform_device_count={devices}'
  processes = [
    subprocess.Popen(
      [sys.executable, script, tmp_path / 'config.json', tmp_path / name]
      + [tmp_path / f'{name}{i}.npz', address, str(count), str(i)],
      cwd=ROOT,
      env={**os.environ, 'PYTHONPATH': str(ROOT), 'XLA_FLAGS': flags},
      stderr=subprocess.PIPE,
      text=True,
    )
    for i in range(count)
  ]
  for process in processes:
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-3000:]
  return [
    list(np.load(tmp_path / f'{name}{i}.npz').values()) for i in range(count)
  ]


@pytest.mark.slow
def test_two_processes_equal_one_of_two_devices(tiny_config, tmp_path):
  (one,) = _launch(tiny_config, tmp_path, 'one', count=1, devices=2)
  first, second = _launch(tiny_config, tmp_path, 'two', count=2, devices=1)
  for a, b, c in zip(one, first, second, strict=True):
    np.testing.assert_array_equal(b, c)
    np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)
