"""Preparing a set while parsers hang or crash and runs are cut short."""

import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.data import preparation, shard_plan, tfds_folder
from crystal_jax.io.reading import shards, worker_process
from tests.data.folders import records, save_many, skipped

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEWITCHED = """
import ctypes, os, sys, time
from crystal_jax.io.reading import shards, worker
parse = shards.parse
def bewitched(item, max_atoms):
  if 'hangs' in item.name:
    ctypes.CDLL(None).sleep(60)
  if 'crashes' in item.name:
    os.abort()
  yield from parse(item, max_atoms)
shards.parse = bewitched
worker.main()
"""


@pytest.mark.slow
@pytest.mark.clock
def test_what_hangs_or_crashes_costs_its_file_only(tmp_path, monkeypatch):
  save_many(tmp_path / 'source', 5)
  for name in 'hangs', 'crashes':
    shutil.copy(tmp_path / 'source/x0.cif', tmp_path / f'source/{name}.cif')
  monkeypatch.setattr(
    worker_process, '_COMMAND', (sys.executable, '-c', BEWITCHED)
  )
  found = data.prepare(
    [tmp_path / 'source'], tmp_path / 'out', workers=1, time_limit=0.5
  )
  assert found.crystals == 5
  reasons = {n: s['reason'] for n, s in skipped(tmp_path / 'out').items()}
  assert reasons == {
    'hangs.cif': 'took more than 0.5 s',
    'crashes.cif': 'the process crashed (signal 6)',
  }


def test_a_worker_that_cannot_start_is_an_error(tmp_path, monkeypatch):
  save_many(tmp_path / 'source', 3)
  command = sys.executable, '-c', 'raise RuntimeError("no luck")'
  monkeypatch.setattr(worker_process, '_COMMAND', command)
  with pytest.raises(ChildProcessError, match='does not start.*no luck'):
    data.prepare([tmp_path / 'source'], tmp_path / 'out', workers=2)


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
  save_many(tmp_path / 'source', 30)
  monkeypatch.setattr(shard_plan, 'ITEMS_PER_SHARD', 5)
  out = tmp_path / 'out'
  seen = []

  def stop(count):
    seen.append(count)
    if len(seen) == 3:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    data.prepare([tmp_path / 'source'], out, workers=0, progress=stop)
  assert not records_or_none(out)
  whole = len(list((out / '.partial').glob('*.npz')))
  assert 3 <= whole < 6

  def full(*args):
    raise OSError(28, 'No space left on device')

  read = []
  save = shards.save
  monkeypatch.setattr(
    shards, 'save', lambda *args: read.append(args[0]) or save(*args)
  )
  with monkeypatch.context() as patch:
    patch.setattr(tfds_folder.TfdsWriter, 'add', full)
    with pytest.raises(OSError, match='No space left'):
      data.prepare([tmp_path / 'source'], out, workers=0)
  assert not records_or_none(out) and len(read) == 6 - whole
  assert data.prepare([tmp_path / 'source'], out, workers=0).crystals == 30
  assert len(read) == 6 - whole


def records_or_none(out):
  try:
    return records(out)
  except FileNotFoundError:
    return {}


def test_two_at_once_is_an_error(tmp_path):
  save_many(tmp_path / 'source', 3)
  with preparation._locked(tmp_path / 'out'):
    with pytest.raises(ValueError, match='prepared by another process'):
      data.prepare([tmp_path / 'source'], tmp_path / 'out')


@pytest.mark.slow
def test_killed_twenty_times(tmp_path):
  """Whenever it is killed, nothing is lost and nothing half is taken."""
  save_many(tmp_path / 'source', 900)
  out = tmp_path / 'out'
  command = [
    sys.executable, '-m', 'crystal_jax', 'prepare', str(tmp_path / 'source'),
    f'--out={out}', '--workers=1',
  ]  # fmt: skip
  rng = np.random.default_rng(0)
  killed = 0
  while killed < 20:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    time.sleep(rng.uniform(2, 6))
    process.kill()
    killed += process.wait() == -signal.SIGKILL
    if (out / 'dataset_info.json').exists():
      assert len(records(out)) == 900
      shutil.rmtree(out)
    else:
      assert not records_or_none(out)
  subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
  assert len(records(out)) == 900
  names = {path.name.split('-')[0] for path in out.iterdir()}
  assert names == {
    'crystals', 'dataset_info.json', 'features.json', 'skipped.csv',
    'summary.json', 'duplicates.csv',
  }  # fmt: skip
