"""Baselines and screening from the shell."""

import csv

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from tests import crystals


def table(folder, name='index.tsv'):
  with (folder / name).open() as file:
    return list(csv.DictReader(file, delimiter='\t'))


def test_random_structures_of_a_composition(tmp_path, capsys):
  out = tmp_path / 'out'
  asked = ['random-structures', '--composition=MgO', '--n=3', f'--out={out}']
  assert main([*asked, '--num-atoms=4', '--space-group=14']) == 0
  rows = table(out)
  assert [row['formula'] for row in rows] == ['MgO'] * 3
  for row in rows:
    assert sorted(cj.read(out / row['file']).numbers) == [8, 8, 12, 12]
    assert int(row['space_group']) > 2
  assert 'wrote 3 of 3' in capsys.readouterr().out
  assert main(asked) == 1
  assert 'not empty' in capsys.readouterr().err
  assert main([*asked, '--overwrite', '--density=30', '--attempts=3']) == 1
  assert 'no room for all atoms' in capsys.readouterr().err


def test_random_structures_like_known_crystals(tmp_path):
  cj.write(tmp_path / 'a.cif', crystals.wurtzite())
  out = tmp_path / 'out'
  known = str(tmp_path / 'a.cif')
  asked = ['random-structures', '--like', known, '--reference', known]
  assert main([*asked, '--n=2', f'--out={out}']) == 0
  for row in table(out):
    crystal = cj.read(out / row['file'])
    assert sorted(crystal.numbers) == [8, 8, 30, 30]


def test_substitute(tmp_path):
  pytest.importorskip('pymatgen')
  cj.write(tmp_path / 'a.cif', crystals.perovskite())
  out = tmp_path / 'out'
  known = str(tmp_path / 'a.cif')
  assert main(['substitute', known, '--n=3', f'--out={out}']) == 0
  rows = table(out)
  assert len(rows) == 3 and 'SrTiO3' not in {row['formula'] for row in rows}
  assert {row['atoms'] for row in rows} == {'5'}


@pytest.mark.parametrize(
  'asked',
  [
    ['random-structures'],
    ['random-structures', '--composition=NaCl', '--num-atoms=3'],
    ['random-structures', '--composition=NaCl', '--space-group=231'],
    ['random-structures', '--composition=NaCl', '--n=0'],
    ['random-structures', '--composition=NaCl', '--like', 'x'],
    ['substitute', 'no_such.cif'],
  ],
)
def test_mistakes_are_one_line(asked, tmp_path, capsys):
  assert main([*asked, f'--out={tmp_path / "out"}']) == 1
  assert capsys.readouterr().err.count('\n') == 1
  assert not np.any([p.suffix == '.cif' for p in tmp_path.rglob('*')])
