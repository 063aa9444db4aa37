"""Crystals as users build them: an atom at the origin, axes along the box."""

import ase.build
import ase.spacegroup
import jax
import numpy as np
import pytest

import crystal_jax as cj
from tests.lattice_search.boxes import (
  BOX,
  assert_same_crystal,
  images,
  random_rotation,
)

SHIFT = np.array([0.31, 0.57, 0.83])


def perovskite(cubic):
  del cubic  # its conventional cell is primitive
  return ase.spacegroup.crystal(
    ['Sr', 'Ti', 'O'],
    [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
    spacegroup=221,
    cellpar=[3.905] * 3 + [90] * 3,
  )


def bulk(*args, **kwargs):
  return lambda cubic: ase.build.bulk(*args, cubic=cubic, **kwargs)


ATOMS = {
  'NaCl': bulk('NaCl', 'rocksalt', a=5.64),
  'MgO': bulk('MgO', 'rocksalt', a=4.21),
  'CsCl': lambda _: ase.build.bulk('CsCl', 'cesiumchloride', a=4.12),
  'Cu': bulk('Cu'),
  'Fe': bulk('Fe'),
  'Si': bulk('Si'),
  'SrTiO3': perovskite,
  'CaF2': bulk('CaF2', 'fluorite', a=5.46),
  'GaAs': bulk('GaAs', 'zincblende', a=5.65),
  'Ag': bulk('Ag'),
  'W': bulk('W'),
  'diamond': bulk('C', 'diamond', a=3.567),
  'LiF': bulk('LiF', 'rocksalt', a=4.03),
}


def crystal_and_primitive(name, cubic, orientation):
  """A crystal, and its primitive cell, shifted or rotated alike."""
  crystals = []
  for atoms in ATOMS[name](cubic), ATOMS[name](False):
    positions, cell = atoms.positions, np.array(atoms.cell)
    if orientation == 'shifted':
      positions = positions + SHIFT
    if orientation == 'rotated':
      rotation = random_rotation(3)
      positions, cell = positions @ rotation.T, cell @ rotation.T
    crystals.append(cj.Crystal(atoms.numbers.astype(np.int32), positions, cell))
  return crystals


@pytest.mark.parametrize('length', [None, 10.0], ids=['unknown', 'known'])
@pytest.mark.parametrize('orientation', ['aligned', 'shifted', 'rotated'])
@pytest.mark.parametrize('name', ATOMS)
def test_lattice_of_simple_crystals_in_any_orientation(
  name, orientation, length
):
  for cubic in (False, True):
    crystal, primitive = crystal_and_primitive(name, cubic, orientation)
    atoms = images(crystal, half=6.2, length=length)
    fit = cj.find_lattice(atoms)
    assert fit.found
    assert_same_crystal(cj.assemble(atoms, fit), primitive)


@pytest.mark.parametrize('name', ['NaCl', 'CaF2', 'Fe'])
def test_density_check_accepts_aligned_crystals(name):
  """With and without known walls; the density of another one is rejected."""
  crystal, primitive = crystal_and_primitive(name, False, 'aligned')
  density = _density(crystal)
  for length in (None, 10.0):
    atoms = images(crystal, half=6.2, length=length)
    fit = cj.find_lattice(atoms, density=density)
    assert fit.found
    assert_same_crystal(cj.assemble(atoms, fit), primitive)
  other, _ = crystal_and_primitive(name, False, 'rotated')
  assert not cj.find_lattice(atoms, density=_density(other)).found


@pytest.mark.slow
def test_aligned_crystals_through_their_density():
  for name in ('NaCl', 'Fe', 'Si', 'SrTiO3', 'CaF2'):
    crystal, primitive = crystal_and_primitive(name, True, 'aligned')
    atoms = cj.decode_density(_density(crystal), grid=BOX, sigma=0.5)
    assert atoms.length == BOX.length
    fit = cj.find_lattice(jax.tree.map(np.asarray, atoms))
    assert fit.found, name
    assert_same_crystal(cj.assemble(atoms, fit), primitive)


def _density(crystal):
  return cj.voxelize(crystal.pad(24), grid=BOX, sigma=0.5, max_images=1024)


def test_a_batch_of_atoms_is_refused_with_what_to_do():
  one = images(crystal_and_primitive('Cu', False, 'aligned')[0])
  batch = jax.tree.map(lambda x: np.stack([x, x]), one)
  for call in (
    lambda: cj.find_lattice(batch),
    lambda: cj.assemble(batch, np.eye(3)),
  ):
    with pytest.raises(ValueError, match='batch of 2.*one at a time'):
      call()
