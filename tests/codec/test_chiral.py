"""Chiral crystals of both hands keep their space group through a codec."""

import functools

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from tests.chiral import CASES, left_handed, space_group

GROUPS = [group for _, group, _ in CASES]
CRYSTALS = [crystal for _, _, crystal in CASES]
SYMPREC = 0.05  # Å; decoded atoms are some thousandths off.


@functools.cache
def codec():
  return cj.Codec.load('mp_20')


def groups(crystals):
  return [space_group(crystal, SYMPREC) for crystal in crystals]


@pytest.mark.slow
def test_encode_and_decode():
  z = codec().encode(CRYSTALS)
  assert groups(codec().decode(z)) == GROUPS
  assert codec().certain.all()
  # A left-handed basis of the same lattice is the same crystal.
  reversed_cells = [left_handed(crystal) for crystal in CRYSTALS]
  np.testing.assert_allclose(codec().encode(reversed_cells), z, atol=1e-3)
  # The other hand is another one.
  assert np.abs(z[::2] - z[1::2]).max(axis=1).min() > 0.1


@pytest.mark.slow
def test_reconstruct_left_handed_cells():
  reversed_cells = [left_handed(crystal) for crystal in CRYSTALS]
  assert groups(codec().reconstruct(reversed_cells)) == GROUPS


@pytest.mark.slow
@pytest.mark.parametrize('first, last', [(0, 1), (2, 5)])
def test_the_ends_of_an_interpolation(first, last):
  found = codec().interpolate(CRYSTALS[first], CRYSTALS[last], steps=2)
  assert groups(found) == [GROUPS[first], GROUPS[last]]


@pytest.mark.slow
def test_the_shell(tmp_path):
  folder = tmp_path / 'in'
  folder.mkdir()
  for (name, _, _), crystal in zip(CASES, CRYSTALS, strict=True):
    cj.write(folder / f'{name}.cif', left_handed(crystal))
  assert main(['encode', str(folder), f'--out={tmp_path / "z.npz"}']) == 0
  arguments = ['decode', str(tmp_path / 'z.npz'), f'--out={tmp_path / "out"}']
  assert main([*arguments, '--symmetrize=0.05']) == 0
  for name, group, _ in CASES:
    path = tmp_path / 'out' / f'{name}.cif'
    assert f'_symmetry_Int_Tables_number {group}\n' in path.read_text()
    assert space_group(cj.read(path)) == group
