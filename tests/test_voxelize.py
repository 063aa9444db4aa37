"""The voxelizer: laws of physics, then a float64 twin, then JAX behaviour."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from tests import reference

CELL = reference.triclinic((4.0, 5.0, 6.0), (80.0, 95.0, 110.0))
BOX = cj.BoxGrid(length=8.0, size=16)
GRIDS = [BOX, cj.CellGrid(16), cj.CellGrid((9, 12, 16)), cj.CellGrid(24)]


def crystal(seed=0, atoms=5, spread=30.0):
  rng = np.random.default_rng(seed)
  return rng.uniform(-spread, spread, (atoms, 3)), rng.integers(1, 90, atoms)


def error(density, positions, weights, cell, grid, sigma):
  """Largest error, of the highest single atom's peak."""
  truth = reference.density(positions, weights, cell, grid, sigma)
  return np.abs(density - truth).max() * reference.peak(weights, sigma)


@pytest.mark.parametrize('grid', GRIDS, ids=str)
def test_equals_float64_sum_over_all_images(grid):
  positions, weights = crystal()
  density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=0.5)
  assert density.dtype == jnp.float32
  assert error(density, positions, weights, CELL, grid, 0.5) < 5e-6


def test_integral_over_the_cell_is_the_sum_of_weights():
  positions, weights = crystal(1)
  grid = cj.CellGrid(24)
  density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=0.5)
  volume = np.abs(np.linalg.det(CELL)) / 24**3
  np.testing.assert_allclose(density.sum() * volume, weights.sum(), rtol=1e-5)


def test_too_few_images_give_nan_and_never_a_density_with_atoms_missing():
  positions, weights = crystal()
  for grid in GRIDS:
    density = cj.voxelize(
      positions, weights, CELL, grid=grid, sigma=0.5, max_images=3
    )
    assert jnp.isnan(density).all()


def test_max_images_is_asked_for_by_name_inside_jit():
  positions, weights = crystal()
  with pytest.raises(ValueError, match='max_images'):
    jax.jit(lambda p: cj.voxelize(p, weights, CELL, grid=BOX, sigma=0.5))(
      positions
    )
