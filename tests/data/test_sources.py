"""Preparing and opening data sets: whole or not at all, no TensorFlow."""

import os
import pathlib
import pickle
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.data import __main__ as command
from crystal_jax.data import builders, compact_source
from crystal_jax.io.reading import compact

ROOT = pathlib.Path(__file__).resolve().parents[2]
OQMD = ROOT / 'datasets' / 'oqmd_icsd20'

# A data set of four numbers, which $DIE stops half-way.
TINY = """
import os
import signal

import numpy as np
import tensorflow_datasets as tfds


class Builder(tfds.core.GeneratorBasedBuilder):
  name = '{name}'
  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    features = tfds.features.FeaturesDict({{
      'id': tfds.features.Text(),
      'value': tfds.features.Scalar(np.float32),
    }})
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _split_generators(self, dl_manager):
    return {{name: self._generate_examples() for name in ('train', 'val')}}

  def _generate_examples(self):
    for i in range(4):
      if i == 2 and os.environ.get('DIE') == 'raise':
        raise RuntimeError('the source broke')
      if i == 2 and os.environ.get('DIE') == 'kill':
        os.kill(os.getpid(), signal.SIGKILL)
      yield i, {{'id': f'crystal {{i}}', 'value': i / 2}}
"""


@pytest.fixture
def tiny(tmp_path, request):
  name = f'tiny_{request.node.name.split("[")[0]}'.replace('-', '_')
  folder = tmp_path / name
  folder.mkdir()
  path = folder / f'{name}_dataset_builder.py'
  path.write_text(TINY.format(name=name))
  return folder


def test_records(tiny, tmp_path):
  source = data.load_split(tiny, 'train', tmp_path / 'out')
  assert len(source) == 4
  records = sorted(source, key=lambda record: record['id'])
  assert [record['id'] for record in records] == [
    f'crystal {i}' for i in range(4)
  ]
  assert [record['value'] for record in records] == [0, 0.5, 1, 1.5]
  assert len(data.load_split(tiny, 'train[:2]', tmp_path / 'out')) == 2
  assert source[-1] == source[3]
  with pytest.raises(IndexError, match='index=4 of 4'):
    source[4]


def test_it_is_prepared_once(tiny, tmp_path, monkeypatch):
  first = data.load_split(tiny, 'train', tmp_path / 'out')
  monkeypatch.setenv('DIE', 'raise')  # Would, if it were generated again.
  second = data.load_split(tiny, 'train', tmp_path / 'out')
  assert list(first) == list(second)
  assert list(data.load_split(tiny, 'val', tmp_path / 'out'))


def test_a_source_can_be_pickled(tiny, tmp_path):
  source = data.load_split(tiny, 'train', tmp_path / 'out')
  assert list(pickle.loads(pickle.dumps(source))) == list(source)


def test_files_are_array_records(tiny, tmp_path):
  data.load_split(tiny, 'train', tmp_path / 'out')
  names = [path.name for path in (tmp_path / 'out').rglob('*-of-*')]
  assert len(names) == 2
  assert all('.array_record-' in name for name in names)


def test_a_failed_preparation_is_repeated(tiny, tmp_path, monkeypatch):
  monkeypatch.setenv('DIE', 'raise')
  with pytest.raises(RuntimeError, match='the source broke'):
    data.load_split(tiny, 'train', tmp_path / 'out')
  monkeypatch.delenv('DIE')
  assert len(data.load_split(tiny, 'train', tmp_path / 'out')) == 4


def test_a_damaged_file_is_an_error(tiny, tmp_path):
  data.load_split(tiny, 'train', tmp_path / 'out')
  (path,) = (tmp_path / 'out').rglob('*-train.array_record-*')
  os.truncate(path, 0)
  with pytest.raises(
    RuntimeError, match=f'{path.parent} is damaged; delete it'
  ):
    data.load_split(tiny, 'train', tmp_path / 'out')[0]


def _spawn(tiny, out, **environment):
  script = f"""
    from crystal_jax import data
    print(len(data.load_split({str(tiny)!r}, 'train', {str(out)!r})))
  """
  return subprocess.Popen(
    [sys.executable, '-c', textwrap.dedent(script)],
    cwd=ROOT,
    env=os.environ | environment,
    stdout=subprocess.PIPE,
    text=True,
  )


@pytest.mark.slow
@pytest.mark.clock
def test_kill_and_two_at_once(tiny, tmp_path):
  """Killed in the middle, then prepared by two processes at the same time."""
  killed = _spawn(tiny, tmp_path / 'out', DIE='kill')
  killed.communicate(timeout=120)
  assert killed.returncode == -signal.SIGKILL
  both = [_spawn(tiny, tmp_path / 'out') for _ in range(2)]
  for process in both:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.split()[-1] == '4'


def test_another_process_may_finish_between(tiny, tmp_path, monkeypatch):
  """Between creating the builder and looking for its files."""
  make, made = builders.create, []

  def make_and_wait(*args):
    builder = make(*args)
    if not made:
      made.append(builder)
      make(*args).download_and_prepare(file_format='array_record')
    return builder

  monkeypatch.setattr(builders, 'create', make_and_wait)
  assert len(data.load_split(tiny, 'train', tmp_path / 'out')) == 4


def test_a_missing_builder_or_split_is_named(tiny, tmp_path):
  with pytest.raises(FileNotFoundError, match='datasets/nothing'):
    data.load_split('datasets/nothing', 'train', tmp_path)
  with pytest.raises(ValueError, match=r"no split 'dev'.*'train', 'val'"):
    data.load_split(tiny, 'dev', tmp_path / 'out')


def test_a_single_set_is_opened_once(tmp_path, monkeypatch):
  stem = tmp_path / 'one'
  row = {'id': 'x', 'numbers': [29], 'positions': [[0.0] * 3]}
  compact.write_records(f'{stem}_train.npz', [row | {'cell': np.eye(3) * 3}])
  found, find_files = [], compact_source.find_files
  monkeypatch.setattr(
    compact_source,
    'find_files',
    lambda stem: found.append(stem) or find_files(stem),
  )
  assert [len(each) for each in data.load_splits(stem, 'train')] == [1]
  assert found == [str(stem)]


def test_one_of_several_sets_may_lack_the_split(tiny, tmp_path, caplog):
  stem = tmp_path / 'large'
  row = {'id': 'x', 'numbers': [29], 'positions': [[0.0] * 3]}
  compact.write_records(f'{stem}_train.npz', [row | {'cell': np.eye(3) * 3}])
  both = f'{tiny}, {stem}'
  sizes = [
    [len(source) for source in data.load_splits(both, split, tmp_path / 'out')]
    for split in ('train', 'train[:1]', 'val', 'val[:1]')
  ]
  assert sizes == [[4, 1], [1, 1], [4, 0], [1, 0]]
  assert f'Without a split val: {stem}' in caplog.text
  with pytest.raises(ValueError, match="no split 'test'"):
    data.load_splits(both, 'test', tmp_path / 'out')
  with pytest.raises(ValueError, match='split'):
    data.load_splits(str(stem), 'val', tmp_path / 'out')
  with pytest.raises(FileNotFoundError):
    data.load_splits(f'{stem},nowhere', 'train', tmp_path / 'out')


def test_a_builder_is_found_from_any_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  path, config = builders.find_builder('datasets/oqmd_icsd20')
  assert (path.parent, config) == (OQMD, None)
  path, config = builders.find_builder('datasets/cdvae_csv/mp_20')
  assert (path.parent, config) == (OQMD.parent / 'cdvae_csv', 'mp_20')


def test_arrays_hold_what_the_records_hold(data_dir):
  source = data.load_split(OQMD, 'test[:40]', data_dir)
  arrays = data.in_memory(source, max_atoms=24)
  assert arrays['numbers'].shape == (40, 24)
  assert {name: column.dtype.str for name, column in arrays.items()} == {
    'numbers': '<i4', 'positions': '<f4', 'cell': '<f4',
    'band_gap': '<f4', 'e_above_hull': '<f4',
    'formation_energy_per_atom': '<f4', 'spacegroup_number': '<i4',
    'id': arrays['id'].dtype.str,
  }  # fmt: skip
  for row, record in zip(data.records(arrays, range(40)), source, strict=True):
    for name, value in record.items():
      np.testing.assert_array_equal(row[name], value)
  with pytest.raises(ValueError, match='has .* atoms, more than max_atoms=3'):
    data.in_memory(source, max_atoms=3)
  with pytest.raises(ValueError, match='no records'):
    data.in_memory([])


def test_the_command_prepares(tiny, tmp_path, capsys):
  command.main([str(tiny), f'--data_dir={tmp_path / "out"}'])
  assert "{'train': 4, 'val': 4}" in capsys.readouterr().out
  assert len(data.load_split(tiny, 'train', tmp_path / 'out')) == 4
