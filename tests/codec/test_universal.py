"""The codec of up to 96 atoms, on crystals as users have them."""

import numpy as np
import pytest
from ase import build
from ase.spacegroup import crystal as of_group

import crystal_jax as cj
from crystal_jax.codec import coverage
from crystal_jax.evaluation import matching


def olivine():
  """LiFePO4, 28 atoms: Streltsov et al., Acta Cryst. B 49, 147 (1993)."""
  return of_group(
    ['Li', 'Fe', 'P', 'O', 'O', 'O'],
    [
      (0, 0, 0),
      (0.2822, 0.25, 0.9747),
      (0.0948, 0.25, 0.4182),
      (0.0968, 0.25, 0.7428),
      (0.4571, 0.25, 0.2060),
      (0.1656, 0.0465, 0.2848),
    ],
    spacegroup=62,
    cellpar=[10.332, 6.010, 4.692, 90, 90, 90],
  )


def garnet():
  """Y3Al5O12, 80 atoms in the primitive cell."""
  return of_group(
    ['Y', 'Al', 'Al', 'O'],
    [(0.125, 0, 0.25), (0, 0, 0), (0.375, 0, 0.25), (-0.0306, 0.0512, 0.15)],
    spacegroup=230,
    cellpar=[12.0] * 3 + [90] * 3,
  )


def zeolite():
  """SiO2 of the LTA framework, 72 atoms."""
  return of_group(
    ['Si', 'O', 'O', 'O'],
    [
      (0, 0.1823, 0.3684),
      (0, 0.2122, 0.5),
      (0, 0.2967, 0.2967),
      (0.1103, 0.1103, 0.3385),
    ],
    spacegroup=221,
    cellpar=[11.919] * 3 + [90] * 3,
  )


def benzene():
  """C6H6, 48 atoms: Bacon et al., Proc. R. Soc. A 279, 98 (1964)."""
  return of_group(
    ['C'] * 3 + ['H'] * 3,
    [
      (-0.0569, 0.1387, -0.0054),
      (-0.1335, 0.0460, 0.1264),
      (-0.0774, -0.0925, 0.1295),
      (-0.0976, 0.2447, -0.0177),
      (-0.2409, 0.0794, 0.2218),
      (-0.1371, -0.1631, 0.2312),
    ],
    spacegroup=61,
    cellpar=[7.39, 9.42, 6.81, 90, 90, 90],
  )


def slab():
  """Oxygen on platinum, 17 atoms and 16 Å of vacuum."""
  atoms = build.fcc111('Pt', (2, 2, 4), a=3.97, vacuum=8.0, periodic=True)
  build.add_adsorbate(atoms, 'O', 1.2, 'fcc')
  return atoms


def doped():
  """A phosphorus and a vacancy in 2 x 2 x 2 cells of silicon, 63 atoms."""
  atoms = build.bulk('Si', cubic=True).repeat(2)
  atoms[11].symbol = 'P'
  del atoms[40]
  return atoms


CRYSTALS = [olivine, garnet, zeolite, benzene, slab, doped]


@pytest.fixture(scope='module')
def codec():
  return cj.Codec.load('universal')


@pytest.mark.slow
@pytest.mark.parametrize('make', CRYSTALS)
def test_crystals_of_many_atoms_come_back(codec, make):
  crystal = cj.Crystal.from_ase(make())
  (found,) = codec.reconstruct([crystal])
  (compared,) = matching.compare([crystal], [found], workers=0, progress=False)
  assert compared.match and compared.strict, compared
  assert codec.certain.all()


@pytest.mark.slow
def test_small_crystals_and_supercells_have_one_latent(codec):
  atoms = build.bulk('NaCl', 'rocksalt', a=5.64)
  z = codec.encode([atoms, atoms.repeat((2, 1, 3))])
  np.testing.assert_allclose(z[0], z[1], atol=1e-4)


def test_a_crystal_that_is_too_large_for_one_codec_names_another():
  assert coverage.covering(['Li', 'Fe', 'P', 'O'], 28) == ['universal']
  assert 'universal' in coverage.covering(['Na', 'Cl'], 2)
