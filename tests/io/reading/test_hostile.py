"""Small files that claim or expand to too much cost their own line."""

import csv
import subprocess
import sys
import time

import pytest

import crystal_jax as cj
from crystal_jax.cli import inputs
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from tests.data import bad_files, hostile_files

# Bytes that a command may map: none of them works on more.
MEMORY = 12 << 30


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('hostile')
  hostile_files.write(path)
  (path / 'good.cif').write_text(bad_files.cif())
  return path


def test_read_refuses_each(folder):
  for path in sorted(folder.iterdir()):
    if path.name == 'good.cif':
      assert len(cj.read(path).numbers) == 2
      continue
    start = time.process_time()
    with pytest.raises(ValueError, match=path.name):
      cj.read(path)
    # Seconds of CPU; the bombs take most, half a second.
    assert time.process_time() - start < 10, path


def test_each_is_one_line(folder):
  found = list(read_crystals([folder], workers=1))
  names = sorted(skip.file for skip in found if isinstance(skip, Skip))
  own = [name.split(',')[0] for name in names]
  assert own == sorted(
    path.name for path in folder.iterdir() if path.name != 'good.cif'
  )
  ((crystal, id_, _),) = [one for one in found if not isinstance(one, Skip)]
  assert id_ == 'good' and len(crystal.numbers) == 2


class Log:
  """What a command lists as skipped."""

  def __init__(self):
    self.reasons = {}

  def skip(self, name, reason):
    self.reasons[name] = reason


def test_the_verbs_of_a_codec_list_each(folder):
  log = Log()
  ((ids, crystals),) = inputs.read([folder], log)
  assert ids == ['good'] and len(crystals) == 1
  assert len(log.reasons) == len(list(folder.iterdir())) - 1
  assert 'for 400000000 atoms' in log.reasons['POSCAR_atoms']


def test_prepare_lists_each_within_its_memory(folder, tmp_path):
  command = [
    sys.executable, '-m', 'crystal_jax', 'prepare', str(folder),
    f'--out={tmp_path / "out"}', '--workers=1',
  ]  # fmt: skip
  # The shell sets the limit: a function between fork and exec would run in a
  # copy of a process in which JAX has threads.
  limited = ['sh', '-c', f'ulimit -v {MEMORY // 1024}; exec "$@"', 'sh']
  done = subprocess.run(
    [*limited, *command], capture_output=True, text=True, timeout=300
  )
  assert done.returncode == 3, done.stderr
  assert 'Traceback' not in done.stderr
  with (tmp_path / 'out' / 'skipped.csv').open(newline='') as file:
    names = {row['file'].split(',')[0] for row in csv.DictReader(file)}
  assert len(names) == len(list(folder.iterdir())) - 1
