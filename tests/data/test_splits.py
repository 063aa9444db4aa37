"""Splits of a prepared folder: by formula, by a column, of any size."""

import csv

import numpy as np
import pytest
from tensorflow_datasets.core import shuffle

from crystal_jax import data
from crystal_jax.data import shard_assembly, shard_plan, splits, tfds_folder
from tests.data.folders import records, save_many


def test_splits_and_properties(tmp_path):
  save_many(tmp_path / 'source')
  table = tmp_path / 'source' / 'properties.csv'
  rows = [['id', 'E (eV)', 'part', 'numbers']]
  rows += [
    [f'x{i}', i / 2, 'dev' if i % 3 else 'train', 1] for i in range(1, 30)
  ]
  with table.open('w', newline='') as file:
    csv.writer(file).writerows(rows)
  options = dict(properties=table, workers=0)
  data.prepare([tmp_path / 'source'], tmp_path / 'a', **options)
  by_formula = records(tmp_path / 'a')
  assert len(by_formula) == 30
  formulas = {}
  for split, record in by_formula.values():
    formulas.setdefault(tuple(record['numbers']), set()).add(split)
  assert all(len(each) == 1 for each in formulas.values())
  assert set.union(*formulas.values()) >= {'train', 'val'}
  assert by_formula['x7'][1]['E__eV'] == 3.5
  assert np.isnan(by_formula['x0'][1]['E__eV'])
  assert by_formula['x7'][1]['numbers_'] == 1

  found = data.prepare(
    [tmp_path / 'source'], tmp_path / 'b', split='part', **options
  )
  assert found.splits['dev'] == 20 and found.splits['train'] == 9
  assert found.skipped == {"no value in column 'part'": 1}
  assert len(data.load_split(tmp_path / 'b', 'dev[:5]+train')) == 14
  assert len(data.load_split(tmp_path / 'b', 'val')) == 0
  assert found.notes == ('no crystal is in val', 'no crystal is in test')
  with pytest.raises(ValueError, match="no split 'nothing', only"):
    data.load_split(tmp_path / 'b', 'nothing')
  with pytest.raises(ValueError, match="No crystal has a column 'nothing'"):
    data.prepare([tmp_path / 'source'], tmp_path / 'c', split='nothing')


def test_a_split_of_any_size_is_written_without_tensorflow(
  tmp_path, monkeypatch
):
  # What TFDS sorts in memory before it turns to TensorFlow: 1 GB by itself.
  monkeypatch.setattr(shuffle, 'MAX_MEM_BUFFER_SIZE', 100)
  monkeypatch.setattr(tfds_folder, '_CRYSTALS_PER_SHARD', 10)
  monkeypatch.setattr(shard_plan, 'ITEMS_PER_SHARD', 5)
  monkeypatch.setattr(shard_assembly, '_SHUFFLED_SHARDS', 2)
  save_many(tmp_path / 'source', 40)
  data.prepare([tmp_path / 'source'], tmp_path / 'out', workers=0)
  assert len(list((tmp_path / 'out').glob('crystals-train*'))) > 2
  ids = [r['id'] for r in data.load_split(tmp_path / 'out', 'train')]
  everything = records(tmp_path / 'out')
  assert len(everything) == 40
  assert len(ids) == len(set(ids)) < 40 and ids != sorted(ids)


def test_a_hash_decides_the_split_and_val_is_not_empty():
  hashes = [splits.formula_hash(f'H{i}') for i in range(1000)]
  chosen = splits.split_indices(hashes)
  assert np.array_equal(splits.split_indices(hashes[::-1]), chosen[::-1])
  train, val, _ = np.bincount(chosen)
  assert 760 < train < 840 and 70 < val < 130
  for count in range(2, 12):
    for start in range(0, 100, 10):
      indices = splits.split_indices(hashes[start : start + count])
      assert {0, 1} <= {*indices.tolist()}, indices
  carbon = splits.formula_hash('C')
  assert splits.split_indices([carbon] * 5).tolist() == [0] * 5
  for bad in (1, 0, 1), (0.5, 0.5), (0, 1, 0), (1.5, -0.5, 0):
    with pytest.raises(ValueError, match='three shares'):
      splits.split_indices(hashes, bad)
