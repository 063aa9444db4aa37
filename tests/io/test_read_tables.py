"""`read` takes what `prepare` takes: tables, databases, JSON of three kinds."""

import csv
import json

import ase.build
import ase.calculators.singlepoint
import ase.db
import ase.io
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.io.reading import items, listing, parse
from tests.io.odd_texts import cif
from tests.io.test_reports import formula

NACL = ase.build.bulk('NaCl', 'rocksalt', a=5.64)
OPTIMADE = {
  'id': 'x1',
  'attributes': {
    'lattice_vectors': NACL.cell.tolist(),
    'cartesian_site_positions': NACL.positions.tolist(),
    'species_at_sites': ['Na', 'Cl'],
    'energy': -3.5,
  },
}
PYMATGEN = {
  '@module': 'pymatgen.core.structure',
  '@class': 'Structure',
  'lattice': {'matrix': NACL.cell.tolist(), 'pbc': [True, True, True]},
  'sites': [
    {'species': [{'element': e, 'oxidation_state': o, 'occu': 1}], 'abc': f}
    for e, o, f in (('Na', 1, [0, 0, 0]), ('Cl', -1, [0.5, 0.5, 0.5]))
  ],
}


def entry(**changes):
  return OPTIMADE | {'attributes': OPTIMADE['attributes'] | changes}


def save(path, data):
  path.write_text(data if isinstance(data, str) else json.dumps(data))
  return path


def table(path, *rows):
  with path.open('w', newline='') as file:
    csv.writer(file).writerows([['material_id', 'cif'], *rows])
  return path


def test_a_table_with_one_crystal_is_a_crystal(tmp_path):
  path = table(tmp_path / 'a.csv', ['one', cif()])
  assert formula(cj.read(path)) == 'Cl1Na1'
  path = table(tmp_path / 'b.csv', ['one', cif()], ['two', cif('K1 K 0 0 0')])
  with pytest.raises(ValueError, match='b.csv: holds 2 structures'):
    cj.read(path)
  assert formula(cj.read(path, index=1)) == 'K1'
  assert len(cj.read_all(path)) == 2
  path = table(tmp_path / 'c.csv', ['one', ''])
  with pytest.raises(ValueError, match='c.csv: a row without a CIF'):
    cj.read(path)
  with pytest.raises(ValueError, match='d.csv: a table without a column'):
    cj.read(save(tmp_path / 'd.csv', 'a,b\n1,2\n'))


@pytest.mark.parametrize(
  'data',
  [{'data': [OPTIMADE]}, {'data': OPTIMADE}, OPTIMADE, OPTIMADE['attributes'],
   PYMATGEN, [PYMATGEN], {'entry_id': 'x', 'energy': -3.5,
                          'structure': PYMATGEN}],
)  # fmt: skip
def test_json_of_optimade_and_pymatgen(tmp_path, data):
  crystal = cj.read(save(tmp_path / 'a.json', data))
  assert crystal.numbers.tolist() == [11, 17]
  np.testing.assert_allclose(crystal.cell, NACL.cell[:])
  vector = (crystal.positions[1] - NACL.positions[1]) @ np.linalg.inv(
    crystal.cell
  )
  np.testing.assert_allclose(vector, np.rint(vector), atol=1e-9)


def test_pymatgens_own_json(tmp_path):
  core = pytest.importorskip('pymatgen.core')
  structure = core.Structure(
    NACL.cell[:], ['Na+', 'Cl-'], NACL.get_scaled_positions()
  )
  structure.to(filename=str(tmp_path / 'a.json'))
  assert formula(cj.read(tmp_path / 'a.json')) == 'Cl1Na1'


@pytest.mark.parametrize(
  'data, reason',
  [
    ('[1', 'malformed JSON in line 1'),
    ('[' * 100_000, 'nested too deep'),
    ('{"a": 1}', 'JSON of no known kind'),
    ('3', 'JSON of no known kind'),
    ('{"ids": [1]}', 'lacks its row 1'),
    ('{"ids": [1], "1": {"numbers": [1]}}', 'row 1 .* is damaged'),
    (entry(structure_features=['disorder']), 'disorder'),
    (entry(structure_features=['implicit_atoms']), 'without positions'),
    (entry(structure_features=['assemblies']), 'alternatives'),
    (entry(assemblies=[{'sites_in_groups': [[0], [1]]}]), 'alternatives'),
    (entry(species=[{'name': 'Na', 'chemical_symbols': ['Na'],
                     'attached': ['H'], 'nattached': [2]}]), 'attached'),
    (entry(species=[{'name': 'Na', 'chemical_symbols': ['Na', 'K'],
                     'concentration': [1, 1]}]), 'partial occupancy'),
    (entry(nsites=3), 'nsites is 3'),
    (entry(lattice_vectors=[[1, 0, 'x']] * 3), 'not rows of three numbers'),
    (entry(cartesian_site_positions=[[0, 0, 0], [1]]), 'not rows of three'),
    (entry(species_at_sites=['Na', 'NO3']), 'unknown species'),
    (PYMATGEN | {'lattice': None}, 'no cell'),
    (PYMATGEN | {'sites': [{'species': [], 'abc': [0, 0, 0]}]}, 'no species'),
    (PYMATGEN | {'sites': [{'species': [{'element': 'Na', 'occu': 0.5}],
                            'abc': [0, 0, 0]}]}, 'partial occupancy'),
    (PYMATGEN | {'sites': [{'species': [{'element': 'X', 'occu': 1}],
                            'abc': [0, 0, 0]}]}, 'unknown species'),
    (PYMATGEN | {'sites': [{'species': [{'element': 'Na', 'occu': 1}],
                            'abc': [0, 0]}]}, 'has shape'),
  ],
)  # fmt: skip
def test_json_that_is_no_crystal(tmp_path, data, reason):
  path = save(tmp_path / 'a.json', data)
  with pytest.raises(ValueError, match=f'a.json.*{reason}'):
    cj.read(path)
  for item in listing.list_items([path]):
    for skip in parse.parse(item, 100):
      assert isinstance(skip, items.Skip)


def test_databases_keep_energies(tmp_path):
  atoms = NACL.copy()
  atoms.calc = ase.calculators.singlepoint.SinglePointCalculator(
    atoms, energy=-7.25
  )
  for name in 'a.db', 'a.json', 'a.extxyz':
    path = tmp_path / name
    if name == 'a.extxyz':
      ase.io.write(path, atoms)
    else:
      with ase.db.connect(path) as base:
        base.write(atoms, gap=5.0)
    (item,) = listing.list_items([path])
    ((crystal, _, properties),) = parse.parse(item, 10)
    assert properties['energy'] == -7.25
    assert crystal.num_atoms == cj.read(path).num_atoms == 2


def test_other_tables(tmp_path):
  lines = '\n'.join(json.dumps(OPTIMADE) for _ in range(3))
  path = save(tmp_path / 'a.jsonl', lines)
  assert len(cj.read_all(path)) == 3
  np.savez(
    tmp_path / 'b.npz',
    numbers=[11, 17],
    frac=[[0, 0, 0], [0.5, 0.5, 0.5]],
    cell=[NACL.cell[:]],
    offsets=[0, 2],
    ids=['a'],
  )
  assert formula(cj.read(tmp_path / 'b.npz')) == 'Cl1Na1'


def test_a_database_that_is_an_endless_view_is_refused(tmp_path):
  import sqlite3

  with sqlite3.connect(tmp_path / 'a.db') as base:
    base.execute(
      'CREATE VIEW systems AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL '
      'SELECT id + 1 FROM n) SELECT id FROM n'
    )
  with pytest.raises(ValueError, match='a.db.*no table `systems`'):
    cj.read(tmp_path / 'a.db')
