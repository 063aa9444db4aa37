"""The embedded data set, record by record; no tfds.testing, which needs TF."""

import pathlib

import ase
import ase.neighborlist
import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.data import builders

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'datasets/oqmd_icsd20'
SIZES = {'train': 14372, 'val': 1813, 'test': 1702}


@pytest.fixture(scope='module')
def splits(data_dir):
  return {
    name: data.in_memory(data.load_split(FOLDER, name, data_dir))
    for name in SIZES
  }


def test_info(data_dir):
  info = builders.prepare(FOLDER, data_dir).info
  assert {n: s.num_examples for n, s in info.splits.items()} == SIZES
  assert 'OQMD' in info.description
  assert '10.1007/s11837-013-0755-4' in info.citation
  assert '10.1038/npjcompumats.2015.10' in info.citation
  assert set(info.features) == {
    'id', 'numbers', 'positions', 'cell', 'formation_energy_per_atom',
    'e_above_hull', 'band_gap', 'spacegroup_number',
  }  # fmt: skip


def test_every_record_is_that_of_the_embedded_file(splits):
  for name, arrays in splits.items():
    file = np.load(FOLDER / 'data' / f'{name}.npz', allow_pickle=False)
    rows = {id_: i for i, id_ in enumerate(arrays['id'])}
    assert sorted(rows) == sorted(file['ids'])
    order = np.array([rows[id_] for id_ in file['ids']])
    numbers = arrays['numbers'][order]
    full = numbers > 0
    np.testing.assert_array_equal(full.sum(1), np.diff(file['offsets']))
    np.testing.assert_array_equal(numbers[full], file['numbers'])
    np.testing.assert_array_equal(arrays['cell'][order], file['cell'])
    which = np.repeat(np.arange(len(order)), full.sum(1))
    cartesian = np.einsum('ax,axy->ay', file['frac'], file['cell'][which])
    np.testing.assert_allclose(
      arrays['positions'][order][full], cartesian, atol=1e-5
    )
    for column in 'e_above_hull', 'band_gap', 'formation_energy_per_atom':
      np.testing.assert_array_equal(arrays[column][order], file[column])
    np.testing.assert_array_equal(
      arrays['spacegroup_number'][order], file['spacegroup_number']
    )


def test_crystals_are_sound(splits):
  for arrays in splits.values():
    counts = (arrays['numbers'] > 0).sum(1)
    assert 1 <= counts.min() and counts.max() == 20
    assert arrays['numbers'].max() <= 94
    volumes = np.abs(np.linalg.det(arrays['cell'])) / counts
    assert 3 < volumes.min() and volumes.max() < 250
    assert np.isin(arrays['spacegroup_number'], np.arange(1, 231)).all()
    for row in data.records(arrays, range(0, len(counts), 200)):
      atoms = ase.Atoms(
        row['numbers'], row['positions'], cell=row['cell'], pbc=True
      )
      assert not len(ase.neighborlist.neighbor_list('i', atoms, 0.4))


def test_no_formula_is_in_two_splits(splits):
  formulas = {}
  for name, arrays in splits.items():
    formulas[name] = set()
    for numbers in arrays['numbers']:
      species, counts = np.unique(numbers[numbers > 0], return_counts=True)
      counts = counts // np.gcd.reduce(counts)
      formulas[name].add((tuple(species), tuple(counts)))
  assert not formulas['train'] & formulas['val']
  assert not formulas['train'] & formulas['test']
  assert not formulas['val'] & formulas['test']
