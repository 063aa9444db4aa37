"""Some of the crystals, and several sets as one."""

import logging

import numpy as np
import pytest

from crystal_jax import data


def make(count=8, slots=4, **columns):
  """Crystal i has i % slots + 1 atoms: oxygen, but lead in the first of 3."""
  atoms = np.arange(slots)[None, :] <= np.arange(count)[:, None] % slots
  numbers = np.where(atoms, 8, 0).astype(np.int32)
  numbers[:3, 0] = 82
  return {
    'numbers': numbers,
    'positions': np.zeros((count, slots, 3), np.float32),
    'cell': np.tile(4 * np.eye(3, dtype=np.float32), (count, 1, 1)),
    'id': np.array([f'x{i}' for i in range(count)]),
  } | columns


def test_every_filter_excludes_its_crystals(caplog):
  caplog.set_level(logging.INFO)
  hull = np.float32([0, 0.05, 0.2, np.nan, 0, 0, 0.3, 0])
  arrays = make(e_above_hull=hull)

  def ids(**rules):
    return [int(id_[1:]) for id_ in data.select(arrays, **rules)['id']]

  assert ids() == list(range(8))
  assert ids(elements=('O',)) == [3, 4, 5, 6, 7]
  assert ids(elements=('Pb', 'O')) == list(range(8))
  assert ids(min_atoms=3) == [2, 3, 6, 7]
  assert ids(max_atoms=2) == [0, 1, 4, 5]
  assert ids(max_e_above_hull=0.1) == [0, 1, 4, 5, 7]
  assert ids(max_atoms=2, max_e_above_hull=0.1, elements=['O']) == [4, 5]
  assert '2 of 8 left out: elements besides O' in caplog.text
  assert data.select(arrays, max_atoms=2)['numbers'].shape == (4, 2)
  assert data.select(arrays, max_atoms=6)['positions'].shape == (8, 6, 3)
  far = (
    arrays['positions']
    + np.float32([0, 0, 2])[None, None]
    * np.arange(4, dtype=np.float32)[None, :, None]
  )
  arrays = make(count=8) | {'positions': far, 'cell': arrays['cell'] * 5}
  assert ids(box_length=6.0) == [0, 1, 2, 4, 5, 6]
  with pytest.raises(ValueError, match='No e_above_hull to select by'):
    ids(max_e_above_hull=1)
  assert ids(min_atoms=9) == []
  with pytest.raises(ValueError, match="unknown species 'Xx'"):
    ids(elements=['Xx'])


def test_a_mixture_has_its_shares_and_leaves_nothing_out():
  large = make(90, gap=np.arange(90, dtype=np.float32))
  small = make(10, slots=6)
  plain = data.mix([large, small])
  assert plain['numbers'].shape == (100, 6)
  assert np.isnan(plain['gap']).sum() == 10
  mixed = data.mix([large, small], [2, 1])
  of_small = np.isnan(mixed['gap'])
  assert of_small.sum() == 45 and (~of_small).sum() == 90
  _, counts = np.unique(mixed['id'][of_small], return_counts=True)
  assert sorted(counts.tolist()) == [4] * 5 + [5] * 5
  assert len(set(mixed['gap'][~of_small].tolist())) == 90
  for weights in ([1], [1, 0], [1, -1]):
    with pytest.raises(ValueError, match='one positive weight for each of 2'):
      data.mix([large, small], weights)


def test_several_sets_by_name(tmp_path, data_dir):
  for name, count in ('a', 2), ('b', 3):
    np.savez(
      tmp_path / f'{name}_train.npz', numbers=np.full(count, 6, np.uint8),
      frac=np.zeros((count, 3), np.float32), ids=np.arange(count).astype(str),
      cell=np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
      offsets=np.arange(count + 1),
    )  # fmt: skip
  both = f'{tmp_path / "a"}, {tmp_path / "b"}'
  assert len(data.load(both, 'train')['id']) == 5
  assert len(data.load(both, 'train', weights=(2, 1))['id']) == 9
  assert len(data.load(tmp_path / 'a', 'train')['id']) == 2
  none = data.load(both, 'train', elements=['O'], max_atoms=7)
  assert none['numbers'].shape == (0, 7)


def test_an_empty_split_of_a_prepared_folder_is_no_crystals(tmp_path):
  (tmp_path / 'C.vasp').write_text(
    'x\n1.0\n2 0 0\n0 2 0\n0 0 2\nC\n1\nDirect\n0 0 0\n'
  )
  data.prepare([tmp_path / 'C.vasp'], tmp_path / 'out', workers=0)
  assert len(data.load(tmp_path / 'out', 'train')['id']) == 1
  empty = data.load(tmp_path / 'out', 'val')
  assert len(empty['id']) == 0
  rules = dict(max_atoms=5, elements='C', max_e_above_hull=1, box_length=9)
  assert data.select(empty, **rules)['positions'].shape == (0, 5, 3)
  both = f'{tmp_path / "out"},{tmp_path / "out"}'
  assert len(data.load(both, 'val', weights=(1, 2))['id']) == 0
  with pytest.raises(ValueError, match="no split 'dev'"):
    data.load(tmp_path / 'out', 'dev')
