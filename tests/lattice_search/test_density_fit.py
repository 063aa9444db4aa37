"""Crystals that have a density nearly, fitted to it."""

import numpy as np
import pytest
import scipy.ndimage

import crystal_jax as cj
from crystal_jax.lattice_search import density_check, density_fit
from tests import crystals
from tests.lattice_search.boxes import BOX, assert_same_crystal, images, rotated

SIGMA = 0.5
SETTINGS = dict(length=BOX.length, sigma=SIGMA)


def density_of(truth):
  density = cj.voxelize(truth.pad(16), grid=BOX, sigma=SIGMA, max_images=1024)
  return np.asarray(density, np.float64)


def layers(count=4, shift=0.0):
  """Layers every 3 Å; that at 6 Å, outside the walls, is shifted.

  Args:
    count: Number of layers of the cell.
    shift: Shift of the layer, Å.
  """
  fractional = [[x, x, k / count] for k in range(count) for x in (0.0, 0.5)]
  cell = np.diag([4.0, 4.5, 3.0 * count])
  positions = np.array(fractional) @ cell
  positions[positions[:, 2] == 6.0, 0] += shift
  return cj.Crystal(np.array([22, 8] * count, np.int32), positions, cell)


@pytest.mark.parametrize('make', [crystals.perovskite, crystals.bcc])
def test_inexact_atoms_of_the_true_crystal_leave_nothing(make):
  truth = rotated(make())
  density = 1.1 * density_of(truth)
  generator = np.random.default_rng(0)
  inexact = cj.Crystal(
    truth.numbers,
    truth.positions + 2e-3 * generator.normal(size=truth.positions.shape),
    truth.cell + 1e-3 * generator.normal(size=(3, 3)),
  )
  weights = 1.11 * truth.numbers
  settings = SETTINGS | {'weights': weights}
  assert density_fit.explains_walls(density, inexact, **settings)


def test_a_fitted_crystal_does_not_depend_on_the_order_of_its_sites():
  truth = rotated(crystals.perovskite())
  density = density_of(truth)
  for order in np.random.default_rng(0).permuted([range(5)] * 3, axis=1):
    numbers, positions = truth.numbers[order], truth.positions[order]
    shuffled = cj.Crystal(numbers, positions + 1e-3, truth.cell)
    assert density_fit.explains_walls(
      density, shuffled, weights=numbers, **SETTINGS
    )


def test_noise_does_not_hide_the_true_crystal():
  truth = rotated(crystals.perovskite())
  density = density_of(truth)
  white = np.random.default_rng(0).normal(size=density.shape)
  smooth = scipy.ndimage.gaussian_filter(white, 3.0)  # voxels, as the atoms
  for noise in (white, smooth / smooth.std()):
    noisy = density + 0.01 * np.sqrt(np.mean(density**2)) * noise
    assert density_fit.explains_walls(
      noisy, truth, weights=truth.numbers, **SETTINGS
    )


def test_a_shifted_layer_outside_the_walls_is_not_explained():
  truth, small = layers(shift=0.005), layers(count=1)
  density = density_of(truth)
  settings = SETTINGS | {'weights': small.numbers}
  # Decoded atoms of a true crystal may leave as much.
  assert density_check.explains_density(
    density, small, **settings, residual=0.0, tolerance=0.002
  )
  assert not density_fit.explains_walls(density, small, **settings)
  assert density_fit.explains_walls(
    density, truth, weights=truth.numbers, **SETTINGS
  )
  assert density_fit.explains_walls(density_of(small), small, **settings)


def test_the_mean_of_a_slight_superstructure_is_as_good_inside():
  small = rotated(crystals.bcc())
  fractional = small.positions @ np.linalg.inv(small.cell)
  sites = np.concatenate([fractional, fractional + np.eye(3)[:1]])
  positions = sites @ small.cell
  positions[len(fractional) :] += [0.0, 0.001, 0.0]
  cell = np.diag([2, 1, 1]) @ small.cell
  truth = cj.Crystal(np.tile(small.numbers, 2), positions, cell)
  assert density_fit.explains_walls(
    density_of(truth), small, weights=small.numbers, **SETTINGS
  )


def test_a_lattice_that_fails_outside_the_walls_is_not_found():
  truth, small = layers(shift=0.005), layers(count=1)
  atoms = images(truth, half=5.4, noise=2e-5, length=BOX.length)
  assert cj.find_lattice(atoms).found  # the small cell, by the atoms alone
  assert not cj.find_lattice(atoms, density_of(truth), SIGMA).found
  fit = cj.find_lattice(atoms, density_of(small), SIGMA)
  assert_same_crystal(cj.assemble(atoms, fit), small)
