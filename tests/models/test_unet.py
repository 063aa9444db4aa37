import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density import grids
from crystal_jax.models import UNet
from crystal_jax.models.unet import (
  DISTANCES,
  HEIGHTS,
  height_and_distance,
  log_descent,
)
from crystal_jax.structure.elements import NUM_CLASSES, UNIT_NUMBER


@pytest.mark.parametrize(
  ('fold', 'size'), [pytest.param(1, 7, marks=pytest.mark.slow), (4, 8)]
)
def test_scores_at_every_voxel_or_at_some(fold, size):
  unet = UNet(widths=(8, 16), fold=fold, features=4)
  density = jax.random.uniform(jax.random.key(0), (2, size, size, size, 1))
  params = jax.jit(unet.init)(jax.random.key(1), density)
  params = jax.tree.map(lambda p: p + 0.05, params)
  apply = jax.jit(unet.apply)
  scores = apply(params, density)
  assert scores.shape == (2, size, size, size, NUM_CLASSES)
  voxels = jnp.array([5, 0, size**3 - 1])
  np.testing.assert_allclose(
    apply(params, density, voxels),
    scores.reshape(2, -1, NUM_CLASSES)[:, voxels],
    rtol=1e-4,
    atol=1e-5,
  )


def test_initial_scores_are_uniform():
  unet = UNet(widths=(8,), features=4)
  density = jnp.ones((1, 4, 4, 4, 1))
  params = jax.jit(unet.init)(jax.random.key(0), density)
  assert not jax.jit(unet.apply)(params, density).any()


@pytest.mark.parametrize('x', [0.11, 3.9])  # In the middle, or at a wall.
@pytest.mark.parametrize('number', [1, 8, 82])
def test_height_of_an_isolated_atom_is_its_number_at_every_voxel(number, x):
  grid = cj.BoxGrid(length=8.0, size=24)
  centre = np.array([[x, -0.07, 0.2]])
  unit = (2 * np.pi * 0.5**2) ** -1.5
  density = cj.voxelize(centre, np.array([number]), None, grid=grid, sigma=0.5)
  log = jnp.log(density[None, ..., None] / unit)
  height = log + log_descent(log, 0.5 / grid.spacing, 'replicate')
  points = np.asarray(grids.points(grid))
  near = np.linalg.norm(points - centre, axis=-1) < 0.6
  np.testing.assert_allclose(np.exp(height[0, ..., 0])[near], number, rtol=0.02)


@pytest.mark.parametrize('number', [1, 82])
def test_empty_voxels_are_far_from_atoms(number):
  grid, sigma = cj.BoxGrid(length=8.0, size=24), 0.5
  unit = UNIT_NUMBER * (2 * np.pi * sigma**2) ** -1.5
  position = np.array([[2.17, 1.83, 2.5]])  # At a voxel, and far from a corner.
  density = cj.voxelize(
    position, np.array([number]), None, grid=grid, sigma=sigma
  )
  density = density[None, ..., None] / unit
  _, distance = height_and_distance(density, sigma / grid.spacing, 'replicate')
  points = np.linalg.norm(np.asarray(grids.points(grid)) - position, axis=-1)
  for far, near in ((points < 0.3, 0.25), (points < 0.65, 1.0)):
    assert distance[0, ..., 0][far].max() < near
  assert distance[0, ..., 0][points > 4].min() > 0.95 * DISTANCES[1]


def test_every_element_has_its_bins():
  heights = np.log(np.arange(1, NUM_CLASSES) / UNIT_NUMBER)
  assert HEIGHTS[0] < heights.min() and heights.max() < HEIGHTS[1]


def test_scores_do_not_depend_on_the_unit_of_the_density():
  """A narrower atom is higher; its height in bins is the same."""
  density = jax.random.uniform(jax.random.key(0), (1, 6, 6, 6, 1))
  unet = UNet(widths=(8,), features=4)
  params = jax.jit(unet.init)(jax.random.key(1), density)
  params = jax.tree.map(lambda p: p + 0.05, params)
  higher = UNet(widths=(8,), features=4, peak=8 * unet.peak)
  np.testing.assert_allclose(
    jax.jit(higher.apply)(params, 8 * density),
    jax.jit(unet.apply)(params, density),
    rtol=1e-4,
    atol=1e-5,
  )
