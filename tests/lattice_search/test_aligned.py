"""Crystals as users build them: an atom at the origin, axes along the box."""

import ase.build
import ase.spacegroup
import jax
import numpy as np
import pytest

import crystal_jax as cj
from tests.lattice_search.test_search import (
  BOX,
  assert_same_crystal,
  images,
  turn,
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


MADE = {
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


def placed(name, cubic, how):
  """The crystal, and the primitive crystal that is to be found."""
  crystals = []
  for atoms in MADE[name](cubic), MADE[name](False):
    positions, cell = atoms.positions, np.array(atoms.cell)
    if how == 'shifted':
      positions = positions + SHIFT
    if how == 'rotated':
      positions, cell = positions @ turn(3).T, cell @ turn(3).T
    crystals.append(cj.Crystal(atoms.numbers.astype(np.int32), positions, cell))
  return crystals


@pytest.mark.parametrize('length', [None, 10.0], ids=['unknown', 'known'])
@pytest.mark.parametrize('how', ['aligned', 'shifted', 'rotated'])
@pytest.mark.parametrize('name', MADE)
def test_lattice_of_simple_crystals_wherever_they_lie(name, how, length):
  for cubic in (False, True):
    crystal, primitive = placed(name, cubic, how)
    atoms = images(crystal, half=6.2, length=length)
    fit = cj.find_lattice(atoms)
    assert fit.found
    assert_same_crystal(cj.assemble(atoms, fit), primitive)


@pytest.mark.parametrize('name', ['NaCl', 'CaF2', 'Fe'])
def test_density_of_an_aligned_crystal_does_not_speak_against_it(name):
  """Where the walls are not known, planes of atoms do not say it."""
  crystal, primitive = placed(name, False, 'aligned')
  density = _density(crystal)
  for length in (None, 10.0):
    atoms = images(crystal, half=6.2, length=length)
    fit = cj.find_lattice(atoms, density=density)
    assert fit.found
    assert_same_crystal(cj.assemble(atoms, fit), primitive)
  other, _ = placed(name, False, 'rotated')
  assert not cj.find_lattice(atoms, density=_density(other)).found


def test_aligned_crystals_through_their_density():
  for name in ('NaCl', 'Fe', 'Si', 'SrTiO3', 'CaF2'):
    crystal, primitive = placed(name, True, 'aligned')
    atoms = cj.decode_density(_density(crystal), grid=BOX, sigma=0.5)
    assert atoms.length == BOX.length
    fit = cj.find_lattice(jax.tree.map(np.asarray, atoms))
    assert fit.found, name
    assert_same_crystal(cj.assemble(atoms, fit), primitive)


def _density(crystal):
  return cj.voxelize(crystal.pad(24), grid=BOX, sigma=0.5, max_images=1024)


def test_a_batch_of_atoms_is_refused_with_what_to_do():
  one = images(placed('Cu', False, 'aligned')[0])
  batch = jax.tree.map(lambda x: np.stack([x, x]), one)
  for call in (
    lambda: cj.find_lattice(batch),
    lambda: cj.assemble(batch, np.eye(3)),
  ):
    with pytest.raises(ValueError, match='batch of 2.*one at a time'):
      call()
