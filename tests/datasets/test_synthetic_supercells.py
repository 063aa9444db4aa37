"""Disordered supercells of the embedded crystals."""

import pathlib

import ase
import ase.build
import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.data import builders, synthetic
from crystal_jax.data.synthetic import generator
from crystal_jax.data.synthetic.__main__ import main as synthetic_main
from crystal_jax.io.reading import compact
from crystal_jax.structure import contacts, elements

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'datasets' / 'synthetic_supercells'


@pytest.fixture(scope='module')
def builder():
  path, _ = builders.find_builder(FOLDER)
  return builders.load_module(str(path))


def row(atoms, id_='x'):
  return {
    'id': id_,
    'numbers': atoms.numbers,
    'positions': atoms.positions,
    'cell': atoms.cell.array,
  }


PLAIN = synthetic.SupercellConfig(
  exchanged=(0.0,), vacancy_probability=0.0, strain=0.0, displacements=(0.0,)
)
SALT = ase.build.bulk('NaCl', 'rocksalt', 5.64)
FURTHER = [row(ase.build.bulk('KBr', 'rocksalt', 6.6))]


def test_without_disorder_it_is_the_same_crystal():
  for record in synthetic.supercells([row(SALT)], 20, 0, config=PLAIN):
    atoms = ase.Atoms(
      record['numbers'], record['positions'], cell=record['cell'], pbc=True
    )
    assert 21 <= len(atoms) <= 96 and len(atoms) % 2 == 0
    assert (atoms.numbers == 11).sum() == (atoms.numbers == 17).sum()
    volume = atoms.get_volume() / len(atoms)
    assert volume == pytest.approx(5.64**3 / 8, rel=1e-5)
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, 9)
    np.testing.assert_allclose(distances.min(1), 2.82, atol=1e-4)
    # Grown along the shortest vectors: no cell is a needle.
    lengths = atoms.cell.lengths()
    assert lengths.max() < 2.1 * lengths.min()


def test_shares_of_disorder():
  rows = [row(SALT), *FURTHER]
  config = synthetic.SupercellConfig(min_atoms=64, exchanged=(0.5,))
  found = list(synthetic.supercells(rows, 200, 1, config=config))
  sizes = np.array([len(record['numbers']) for record in found])
  with_vacancies = ~np.isin(sizes, [64, 72, 80, 90, 96])
  # Binomial: 0.4 of 200, four standard deviations.
  assert abs(with_vacancies.mean() - 0.4) < 0.14
  for record in found:
    numbers = record['numbers']
    assert set(numbers) <= {11, 17, 19, 35}
    sodium, chlorine = (numbers == 11).sum(), (numbers == 17).sum()
    assert 0.2 < sodium / (numbers <= 19)[numbers != 17].sum() < 0.8
    assert 0.2 < chlorine / np.isin(numbers, (17, 35)).sum() < 0.8
  again = list(synthetic.supercells(rows, 5, 1, config=config))
  for one, other in zip(found[:5], again, strict=True):
    assert one['id'] == other['id']
    np.testing.assert_array_equal(one['positions'], other['positions'])
  assert len({record['id'] for record in found}) == 200


def test_strain_and_displacements():
  config = synthetic.SupercellConfig(
    exchanged=(0.0,), vacancy_probability=0.0, displacements=(0.06,)
  )
  strains, shifts = [], []
  for record in synthetic.supercells([row(SALT)], 60, 2, config=config):
    volume = abs(np.linalg.det(record['cell'].astype(float)))
    strains.append(volume / len(record['numbers']) / (5.64**3 / 8) - 1)
    atoms = ase.Atoms(
      record['numbers'], record['positions'], cell=record['cell'], pbc=True
    )
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, 9)
    shifts.append(distances.min(1).mean())
  # The trace of the strain: three components of 2 %.
  assert 0.02 < np.std(strains) < 0.05
  assert 2.5 < np.mean(shifts) < 2.8


def test_what_cannot_be_made_is_named(monkeypatch):
  monkeypatch.setattr(generator, '_MAX_FAILURES', 20)
  large = SALT * (3, 3, 3)
  with pytest.raises(ValueError, match='no crystal of at most 32 atoms'):
    next(synthetic.supercells([row(large)], 1, 0))
  with pytest.raises(ValueError, match='the source cannot give more'):
    list(synthetic.supercells([row(SALT)], 1, 0, accept=lambda f: False))


@pytest.mark.parametrize('split', ['train', 'val'])
def test_of_the_embedded_set(builder, split):
  counted = 0
  for record in builder.generate(split, 40):
    numbers, cell = record['numbers'], record['cell'].astype(float)
    assert 18 <= len(numbers) <= 96 and max(numbers) <= elements.MAX_NUMBER
    assert builder.split_of(builder.reduced_formula(numbers)) == split
    assert not contacts.first_contact(
      record['positions'].astype(float), cell, 0.4
    )
    counted += 1
  assert counted == 40


def test_the_command(tmp_path, capsys):
  source = tmp_path / 'x'
  compact.write_records(f'{source}_train.npz', [row(SALT, 'salt'), *FURTHER])
  out = tmp_path / 'y_train.npz'
  synthetic_main(
    [str(source), 'train', f'--out={out}', '--count=7', '--exclude', 'train']
  )
  assert 'wrote 7 supercells' in capsys.readouterr().out
  arrays = data.load(tmp_path / 'y', 'train')
  assert arrays['numbers'].shape[0] == 7
  for numbers in arrays['numbers']:
    # Neither NaCl nor KBr: those formulas are excluded.
    counts = np.bincount(numbers[numbers > 0], minlength=36)[[11, 17, 19, 35]]
    assert counts.tolist() not in ([1, 1, 0, 0], [0, 0, 1, 1])
    assert (counts > 0).sum() > 2 or len(set(counts[counts > 0])) == 2
