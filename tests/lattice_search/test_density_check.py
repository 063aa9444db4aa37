"""Lattices that map all atoms of a box, but do not have its density."""

import dataclasses

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.lattice_search import density_check
from tests import crystals
from tests.lattice_search.boxes import BOX, assert_same_crystal, images, rotated
from tests.lattice_search.test_pseudo_lattices import crystal

SIGMA = 0.5
# Close packed layers in a sequence of three. The box holds two of them, and
# parts of the next ones outside the walls.
KR3 = crystal(
  [[3.952, 0, 0.808], [-1.92, 3.454, -0.808], [0, 0, 10.383]],
  [(36, 3)],
  [[0, 0, 0], [0.223, 0.777, 0.3338], [0.777, 0.223, 0.6662]],
)
# Half of the atoms lie outside the walls.
NAY2F7 = crystal(
  [[3.926, 0, 0.696], [1.903, 3.434, 0.696], [0, 0, 10.91]],
  [(11, 1), (39, 2), (9, 7)],
  [
    [0, 0, 0], [0.5865, 0.5865, 0.2926], [0.4135, 0.4135, 0.7074],
    [0.2383, 0.2383, 0.3344], [0.0661, 0.0661, 0.7559], [0.5, 0.5, 0.5],
    [0.7617, 0.7617, 0.6656], [0.6423, 0.6423, 0.0924],
    [0.3577, 0.3577, 0.9076], [0.9339, 0.9339, 0.2441],
  ],
)  # fmt: skip


def density_of(truth):
  return cj.voxelize(truth.pad(16), grid=BOX, sigma=SIGMA, max_images=1024)


@pytest.mark.parametrize('truth', [KR3, NAY2F7], ids=['Kr3', 'NaY2F7'])
def test_a_lattice_without_the_density_is_not_found(truth):
  atoms = images(truth, half=5.4, noise=2e-5, length=BOX.length)
  assert cj.find_lattice(atoms).found  # another lattice, by the atoms alone
  fit = cj.find_lattice(atoms, density_of(truth), SIGMA)
  if fit.found:
    assert_same_crystal(cj.assemble(atoms, fit), truth)


def test_a_scaled_density_confirms_its_lattice():
  truth = rotated(crystals.perovskite())
  atoms = images(truth, half=6.2, length=BOX.length)
  atoms = dataclasses.replace(atoms, weights=1.1 * atoms.weights)
  assert cj.find_lattice(atoms, 1.1 * density_of(truth), SIGMA).found
  assert not cj.find_lattice(atoms, density_of(KR3), SIGMA).found


@pytest.mark.parametrize('make', [crystals.perovskite, crystals.bcc])
def test_the_true_crystal_explains_its_density(make):
  truth = rotated(make())
  settings = dict(
    weights=truth.numbers,
    length=BOX.length,
    sigma=SIGMA,
    residual=0.0,
    tolerance=0.002,
  )
  density = np.asarray(density_of(truth), np.float64)
  assert density_check.explains_density(density, truth, **settings)
  shifted = truth.positions + 0.005 * np.eye(3)[0]
  shifted = cj.Crystal(truth.numbers, shifted, truth.cell)
  assert not density_check.explains_density(density, shifted, **settings)
  loose = settings | {'tolerance': 0.01}
  assert density_check.explains_density(density, shifted, **loose)
  larger = cj.Crystal(truth.numbers, truth.positions * 1.01, truth.cell * 1.01)
  assert not density_check.explains_density(density, larger, **settings)
  noise = np.random.default_rng(0).normal(size=density.shape)
  noise *= 0.1 * np.sqrt(np.mean(density**2))
  assert not density_check.explains_density(density + noise, truth, **settings)
  settings['residual'] = 0.1
  assert density_check.explains_density(density + noise, truth, **settings)
