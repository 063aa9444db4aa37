"""A user's own folder becomes a data set, whatever else lies in it."""

import csv
import os
import re

import ase.build
import ase.db
import ase.io
import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.data import (
  summary,
)
from crystal_jax.io.reading import parse, tables
from crystal_jax.representation.size_filter import keep_fitting
from tests.data import bad_files
from tests.data.folders import records, save_many, skipped


def test_forty_bad_files_and_ten_good_ones(tmp_path):
  source, out = tmp_path / 'source', tmp_path / 'out'
  source.mkdir()
  bad_files.write(source)
  before = sorted(os.listdir(source))
  found = data.prepare([source], out, workers=1)
  assert found.crystals == 10 and found.num_skipped == 40
  assert len(records(out)) == 10
  reasons = skipped(out)
  assert reasons.pop('loop')['reason'] == 'a link to a folder is not followed'
  assert sorted(reasons) == sorted(bad_files.BAD)
  for name, (_, reason) in bad_files.BAD.items():
    assert re.search(reason, reasons[name]['reason']), reasons[name]
  assert sum(found.skipped.values()) == 40
  assert sorted(os.listdir(source)) == before
  assert sorted(os.listdir(tmp_path)) == ['out', 'source']
  assert not (out / '.partial').exists()


def test_ten_thousand_atoms_an_id_that_is_taken_and_a_link_to_itself(tmp_path):
  source = tmp_path / 'source'
  (source / 'sub').mkdir(parents=True)
  (source / 'a.cif').write_text(bad_files.cif())
  (source / 'a.vasp').write_text(
    bad_files.POSCAR.format(c=4, species='Na Cl', z=0.5)
  )
  (source / 'sub' / 'a.cif').write_text(bad_files.cif('K'))
  (source / 'large.cif').write_text(bad_files.large())
  os.symlink('self.cif', source / 'self.cif')
  os.mkfifo(source / 'pipe.cif')
  found = data.prepare([source], tmp_path / 'out', workers=0)
  assert sorted(records(tmp_path / 'out')) == ['a', 'sub/a']
  reasons = {name: s['reason'] for name, s in skipped(tmp_path / 'out').items()}
  assert reasons == {
    'a.vasp': "the id 'a' is taken by a.cif",
    'large.cif': '10648 atoms in the primitive cell, more than max_atoms=1000',
    'self.cif': 'cannot be opened: Too many levels of symbolic links',
    'pipe.cif': 'not a plain file',
  }
  assert found.num_skipped == 3 and found.other_files == 1


def save_every_format(folder):
  """One crystal in every kind of file."""
  folder.mkdir()
  atoms = ase.build.bulk('NaCl', 'rocksalt', 5.64)
  atoms.positions += 0.25
  for name in (
    'one.cif', 'two.cif.gz', 'POSCAR', 'CONTCAR_1', 'three.vasp', 'four.xyz',
  ):  # fmt: skip
    kind = {'P': 'vasp', 'C': 'vasp'}.get(name[0])
    ase.io.write(
      folder / name, atoms, format='extxyz' if 'xyz' in name else kind
    )
  atoms.info = {'gap': 5.0, 'note': 'x'}
  ase.io.write(folder / 'many.extxyz', [atoms, atoms], format='extxyz')
  for name in 'base.db', 'base2.json':
    with ase.db.connect(folder / name) as base:
      base.write(atoms, gap=5.0, material_id=f'{name}-1')
      base.write(atoms, gap=5.0)
  text = (folder / 'one.cif').read_text()
  with (folder / 'table.csv').open('w', newline='') as file:
    csv.writer(file).writerows(
      [['', 'material_id', 'cif', 'gap'], [7, 'row-1', text, '5'],
       [8, 'row-2', text, ''], [9, 'row-3', '', '5']]
    )  # fmt: skip
  np.savez(
    folder / 'compact.npz', numbers=np.uint8([11, 17]),
    frac=np.float32(atoms.get_scaled_positions()),
    cell=np.float32([atoms.cell.array]), offsets=[0, 2],
    ids=np.array(['compact-1']), gap=np.float32([5]),
  )  # fmt: skip
  return atoms


def test_every_format_gives_the_same_crystal(tmp_path):
  atoms = save_every_format(tmp_path / 'source')
  found = data.prepare([tmp_path / 'source'], tmp_path / 'out', workers=0)
  found_records = records(tmp_path / 'out')
  assert sorted(found_records) == sorted([
    'one', 'two', 'POSCAR', 'CONTCAR_1', 'three', 'four', 'many#0', 'many#1',
    'base.db-1', 'base#2', 'base2.json-1', 'base2#1', 'row-1', 'row-2',
    'compact-1',
  ])  # fmt: skip
  assert found.skipped == {'a row without a CIF': 1}
  assert skipped(tmp_path / 'out')['table.csv, row 2']['id'] == 'row-3'
  assert found.duplicates == 14 and found.splits['train'] == 15
  assert found.notes == ('no crystal is in val', 'no crystal is in test')
  distance = atoms.get_all_distances(mic=True)
  for id_, (_, record) in found_records.items():
    assert record['numbers'].tolist() == [11, 17], id_
    metric = record['cell'] @ record['cell'].T
    np.testing.assert_allclose(
      metric, atoms.cell @ atoms.cell.T, atol=1e-4, err_msg=id_
    )
    again = ase.Atoms(
      record['numbers'], record['positions'], cell=record['cell'], pbc=True
    )
    np.testing.assert_allclose(
      again.get_all_distances(mic=True), distance, atol=1e-4
    )
    known = id_.startswith(('many', 'base', 'row-1', 'compact'))
    assert record['gap'] == 5 if known else np.isnan(record['gap']), id_


def test_what_the_shipped_codecs_cover(tmp_path):
  source = tmp_path / 'source'
  source.mkdir()
  copper = ase.build.bulk('Cu')
  # 27 atoms; of a primitive cell of one, and of one of 27.
  large, odd = copper * (3, 3, 3), copper * (3, 3, 3)
  odd.symbols[0] = 'Ag'
  for name, atoms in {
    'Cu': copper, 'large': large, 'odd': odd,
    'FeO': ase.build.bulk('FeO', 'rocksalt', 4.3), 'C': ase.build.bulk('C'),
    'NaCl': ase.build.bulk('NaCl', 'rocksalt', 5.64),
  }.items():  # fmt: skip
    ase.io.write(source / f'{name}.cif', atoms)
  found = data.prepare([source], tmp_path / 'out', workers=0)
  assert found.covered == {
    'carbon_24': 1, 'mp_20': 5, 'mp_20_vector': 5, 'perov_5': 3, 'universal': 6,
  }  # fmt: skip
  assert 'mp_20: 5\n' in str(found)
  assert summary.Summary.load(tmp_path / 'out' / 'summary.json') == found


def test_nothing_escapes_the_folder(tmp_path):
  source = tmp_path / 'a' / 'source'
  source.mkdir(parents=True)
  evil = ['../../evil', '/tmp/evil', 'a\0b', '..', 'x\ny', '=cmd()', '<b>']
  with (source / 't.csv').open('w', newline='') as file:
    csv.writer(file).writerows(
      [['id', 'cif'], *([name, bad_files.cif()] for name in evil)]
    )
  before = {p for p in tmp_path.rglob('*')}
  data.prepare([source], tmp_path / 'a' / 'out', workers=0)
  after = {p for p in tmp_path.rglob('*') if 'out' not in p.parts}
  assert after == before
  found = records(tmp_path / 'a' / 'out')
  assert sorted(found) == sorted(tables.printable(name) for name in evil)


def test_strict_and_what_cannot_be_done(tmp_path):
  source, out = tmp_path / 'source', tmp_path / 'out'
  save_many(source, 3)
  (source / 'note.txt').write_text('hello')
  (source / 'y.cif').write_text('nothing')
  with pytest.raises(ValueError, match='y.cif: cannot be read'):
    data.prepare([source], out, strict=True, workers=0)
  assert not (out / 'dataset_info.json').exists()
  (source / 'y.cif').unlink()
  assert data.prepare([source], out, strict=True, workers=0).crystals == 3
  assert 'hold no crystals' in str(data.prepare([source], out, workers=0))
  with pytest.raises(ValueError, match='with other options'):
    data.prepare([source], out, max_atoms=5)
  with pytest.raises(ValueError, match='no prepared data set'):
    data.prepare([source], source)
  with pytest.raises(FileNotFoundError, match='nowhere'):
    data.prepare([tmp_path / 'nowhere'], tmp_path / 'new')
  for name, value in ('time_limit', 0), ('max_atoms', 0), ('workers', -1):
    with pytest.raises(ValueError, match=f'{name}={value}'):
      data.prepare([source], tmp_path / 'new', **{name: value})
  (tmp_path / 'empty').mkdir()
  with pytest.raises(ValueError, match='No crystal could be read'):
    data.prepare([tmp_path / 'empty'], tmp_path / 'new')


def test_the_output_may_lie_in_the_source(tmp_path):
  save_many(tmp_path / 'source', 3)
  out = tmp_path / 'source' / 'out'
  first = data.prepare([tmp_path / 'source'], out, workers=0)
  assert data.prepare([tmp_path / 'source'], out, workers=0) == first
  assert first.num_skipped == first.other_files == 0


def test_duplicates_and_radius():
  formulas = ['A', 'A', 'B', 'A']
  prints = [[10, 1, 2], [10.001, 1, 2], [10, 1, 2], [10, 1, 2.1]]
  assert summary.find_duplicates(formulas, prints) == [(1, 0)]
  rng = np.random.default_rng(0)
  for _ in range(20):
    atoms = ase.Atoms(
      'H5', scaled_positions=rng.uniform(-2, 2, (5, 3)),
      cell=4 * np.eye(3) + rng.normal(0, 1, (3, 3)), pbc=True,
    )  # fmt: skip
    crystal = parse.Crystal.from_ase(atoms)
    for length in 6.0, 8.0:
      names = 'numbers', 'positions', 'cell'
      columns = {name: getattr(crystal, name)[None] for name in names}
      kept, _ = keep_fitting(columns, length=length, sigma=0.5)
      fits = parse.radius(crystal) <= length / 2 - 1
      assert fits == len(kept['numbers'])
