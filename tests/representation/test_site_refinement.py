"""Sites and lattice fitted to the occupancy of a box."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.representation.site_refinement import (
  fit_sites,
  squared_residual,
)

GRID = cj.BoxGrid(length=8.0, size=24)
SIGMA = 0.5
CELL = np.array([[4.1, 0.0, 0.0], [0.9, 3.6, 0.0], [-0.7, 0.8, 4.4]])
SITES = np.array([[0.3, 0.2, -0.4], [1.9, 1.6, 1.5], [2.4, 0.1, 3.0]])


@pytest.fixture(scope='module')
def occupancy():
  return exact_occupancy(SITES, CELL)


def exact_occupancy(sites, cell):
  """The occupancy by definition: every image one Gaussian."""
  steps = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3)
  images = (sites[:, None] + (steps @ cell)[None]).reshape(-1, 3)
  offsets = GRID.axis()[:, None] - images.T[:, None]  # [3, G, M]
  return np.einsum('xm,ym,zm->xyz', *np.exp(-0.5 * (offsets / SIGMA) ** 2))


def fitted(occupancy, sites, cell):
  return fit_sites(occupancy, sites, cell, grid=GRID, sigma=SIGMA)


def test_perturbed_sites_and_lattice_come_back(occupancy):
  rng = np.random.default_rng(0)
  strain = np.eye(3) + 0.02 * rng.normal(size=(3, 3))
  sites = SITES + 0.06 * rng.normal(size=SITES.shape)
  found, cell = fitted(occupancy, sites, CELL @ strain)
  assert np.abs(CELL @ strain - CELL).max() > 0.1
  np.testing.assert_allclose(cell, CELL, atol=0.01)
  np.testing.assert_allclose(found, SITES, atol=0.01)


def test_true_sites_stay(occupancy):
  found, cell = fitted(occupancy, SITES, CELL)
  # Up to the tails of images far outside the walls.
  np.testing.assert_allclose(cell, CELL, atol=2e-3)
  np.testing.assert_allclose(found, SITES, atol=2e-3)


def test_low_heights_do_not_stretch_the_lattice(occupancy):
  _, cell = fitted(0.7 * occupancy, SITES, CELL)
  np.testing.assert_allclose(cell, CELL, atol=0.01)


def test_a_vector_without_images_stays_at_its_start():
  long = CELL * np.array([[1], [1], [4]])
  layer = exact_occupancy(np.zeros((1, 3)), long)
  _, cell = fitted(layer, np.zeros((1, 3)), long)
  np.testing.assert_allclose(cell[2], long[2], atol=1e-6)


def test_the_true_sites_leave_the_least_residual(occupancy):
  box = {'grid': GRID, 'sigma': SIGMA}
  true = squared_residual(occupancy, SITES, CELL, **box)
  far = squared_residual(occupancy, SITES + 0.1, CELL, **box)
  none = np.square(occupancy).sum()
  assert true < 5e-3 * none < far < none
