"""Chiral crystals keep their space group through files and assembly.

A CIF holds lengths and angles, so fractional coordinates in a left-handed basis
would come back as the mirror image.
"""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.io.reading import listing, parse
from crystal_jax.structure import validation
from tests.chiral import CASES, left_handed, space_group

chiral = pytest.mark.parametrize(
  'group, crystal', [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
FORMATS = 'x.cif', 'POSCAR', 'x.extxyz', 'x.json', 'x.cif.gz', 'x.res'


@chiral
@pytest.mark.parametrize('name', FORMATS)
def test_every_format_keeps_the_hand(tmp_path, group, crystal, name):
  assert space_group(crystal) == group
  for one in crystal, left_handed(crystal):
    cj.write(tmp_path / name, one)
    assert space_group(cj.read(tmp_path / name)) == group


def test_a_format_of_ase_keeps_the_hand(tmp_path):
  _, group, crystal = CASES[0]  # One: it takes a process to read.
  cj.write(tmp_path / 'x.xsf', left_handed(crystal))
  assert space_group(cj.read(tmp_path / 'x.xsf')) == group


@chiral
def test_a_cif_with_its_space_group_keeps_the_hand(tmp_path, group, crystal):
  path = tmp_path / 'x.cif'
  cj.write(path, left_handed(crystal), symprec=0.01)
  assert f'_symmetry_Int_Tables_number {group}\n' in path.read_text()
  assert space_group(cj.read(path)) == group


@pytest.mark.slow
@chiral
def test_assemble_and_decode_give_right_handed_cells(group, crystal):
  grid = cj.CellGrid(32)
  density = cj.voxelize(crystal, grid=grid, sigma=0.4, band_limit=True)
  atoms = cj.decode_density(density, grid=grid, sigma=0.4, cell=crystal.cell)
  for order in [0, 1, 2], [1, 0, 2], [2, 1, 0]:
    cell = np.asarray(crystal.cell)[order]
    assembled = cj.assemble(atoms, cell)
    assert space_group(assembled, 0.05) == group
    assert space_group(cj.assemble(atoms, cell, symprec=0.05)) == group
  assert space_group(validation.check_decoded(left_handed(crystal))) == group


@chiral
def test_prepare_keeps_the_hand(tmp_path, group, crystal):
  other = left_handed(crystal)
  fractional = other.positions @ np.linalg.inv(other.cell)
  np.savez(
    tmp_path / 'a.npz',
    numbers=other.numbers,
    frac=fractional,
    cell=other.cell[None],
    offsets=np.array([0, len(other.numbers)]),
    ids=np.array(['a']),
  )
  (item,) = listing.list_items([tmp_path / 'a.npz'])
  ((prepared, _, _),) = parse.parse(item, 20)
  assert space_group(prepared) == group
