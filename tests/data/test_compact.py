"""Compact npz files by their stem: a split is read in one go."""

import pickle

import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.io.reading import compact

SLANTED = [[3, 0, 0], [1, 3, 0], [0, 1, 5]]
CELLS = np.float32([np.eye(3) * 4, SLANTED, np.eye(3)])
FRACTIONAL = np.float32([[0] * 3, [0.5] * 3, [0.25, 0.5, 0.75], [0] * 3])


def columns(**changes):
  return {
    'numbers': np.uint8([11, 17, 6, 94]),
    'frac': FRACTIONAL,
    'cell': CELLS,
    'offsets': np.int64([0, 2, 3, 4]),
    'ids': np.array(['NaCl', 'C', 'Pu']),
    'energy': np.float32([-1.5, np.nan, 0]),
  } | changes


@pytest.fixture
def stem(tmp_path):
  np.savez(tmp_path / 'mine_train.npz', **columns())
  np.savez(tmp_path / 'mine_val.npz', **columns(ids=np.array(['a', 'b', 'c'])))
  np.savez(tmp_path / 'mine_too_train.npz', **columns())
  return tmp_path / 'mine'


def test_records_and_arrays(stem):
  source = data.load_split(stem, 'train')
  assert [record['id'] for record in source] == ['NaCl', 'C', 'Pu']
  np.testing.assert_array_equal(source[0]['numbers'], [11, 17])
  np.testing.assert_allclose(source[0]['positions'], [[0] * 3, [2] * 3])
  np.testing.assert_allclose(source[1]['positions'], [[1.25, 2.25, 3.75]])
  assert np.isnan(source[-2]['energy'])
  assert list(pickle.loads(pickle.dumps(source))[0]['numbers']) == [11, 17]
  with pytest.raises(IndexError, match='index=3 of 3'):
    source[3]

  arrays = data.in_memory(source, max_atoms=4)
  slow = data.arrays.stack(list(source), max_atoms=4)
  assert arrays.keys() == slow.keys()
  for name, column in slow.items():
    assert arrays[name].dtype == column.dtype, name
    np.testing.assert_array_equal(arrays[name], column)
  with pytest.raises(ValueError, match='NaCl has 2 atoms, more than max_ato'):
    data.in_memory(source, max_atoms=1)


@pytest.mark.parametrize(
  'split, ids',
  [
    ('train[:2]', ['NaCl', 'C']),
    ('val[-1:]', ['c']),
    ('train[50%:]+val[:1]', ['Pu', 'a']),
  ],
)
def test_parts_of_splits(stem, split, ids):
  source = data.load_split(stem, split)
  assert [record['id'] for record in source] == ids
  arrays = data.in_memory(source)
  assert arrays['id'].tolist() == ids
  slots = max(len(record['numbers']) for record in source)
  assert arrays['numbers'].shape == (len(ids), slots)


def test_what_is_wrong_is_named(stem):
  with pytest.raises(ValueError, match=r"no split 'dev'; .*'train', 'val'"):
    data.load_split(stem, 'dev')
  with pytest.raises(FileNotFoundError, match='nobody'):
    data.load_split(stem.with_name('nobody'), 'train')
  with pytest.raises(IsADirectoryError):  # Not called a damaged file.
    compact.read_file(stem.parent)
  train = stem.with_name('mine_train.npz')
  for changes, reason in [
    ({'offsets': np.int64([0, 2, 3, 5])}, 'do not belong together'),
    ({'offsets': np.int64([0, 3, 2, 4])}, 'do not belong together'),
    ({'frac': FRACTIONAL[:2]}, 'do not belong together'),
    ({'ids': np.array([{}, {}, {}], object)}, 'object arrays are not'),
  ]:
    np.savez(train, **columns(**changes))
    with pytest.raises(ValueError, match=reason):
      data.load_split(stem, 'train')
  np.savez(train, numbers=np.uint8([1]))
  with pytest.raises(ValueError, match=r"lacks \['frac', 'cell'"):
    data.load_split(stem, 'train')
  train.write_bytes(train.read_bytes()[:100])
  with pytest.raises(ValueError, match='mine_train.npz: cannot be read as npz'):
    data.load_split(stem, 'train')
