"""Limits of decoding: near and light atoms, rounds, slots, and wrong use."""

import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from tests.decoding.test_decode import BOX, CELL, molecule, voxelize_box

SMALL = cj.BoxGrid(5.0, 20)


def weights_found(positions, weights, noise=0.0, **limits):
  """Weights that come back of a few atoms, heaviest first."""
  density = cj.voxelize(positions, weights, None, grid=SMALL, sigma=0.5)
  density += noise * np.random.default_rng(0).normal(size=SMALL.shape)
  atoms = cj.decode_density(
    density.astype(jnp.float32), grid=SMALL, sigma=0.5, max_atoms=8, **limits
  )
  return np.asarray(atoms.weights)[np.asarray(atoms.mask)]


@pytest.mark.slow
def test_atoms_closer_than_the_closest_are_one():
  pair = np.array([[0.0, 0.0, 0.0], [0.8, 0.0, 0.0]])
  np.testing.assert_allclose(weights_found(pair, [6, 6]), [6, 6], rtol=0.01)
  assert len(weights_found(pair, [6, 6], closest=1.0)) == 1


@pytest.mark.slow
def test_atoms_lighter_than_the_lightest_are_none():
  pair = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
  np.testing.assert_allclose(weights_found(pair, [1, 0.4]), [1], rtol=0.2)
  found = weights_found(pair, [1, 0.4], lightest=0.3)
  np.testing.assert_allclose(found, [1, 0.4], rtol=0.01)


def test_one_round_finds_what_stands_out_of_the_noise():
  pair = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
  once = dict(noise=1e-3, rounds=1)
  assert len(weights_found(pair, [10, 2], **once)) == 2
  assert len(weights_found(pair, [10, 2], stand_out=1e4, **once)) == 1


@pytest.mark.slow
def test_band_limit_says_how_a_coarse_density_is_to_be_read():
  """Weights of one and a grid of the cell's own, as a network says them."""
  grid, cell = cj.CellGrid(10), 8 * np.eye(3)
  options = dict(grid=grid, sigma=0.6, cell=cell)
  positions = np.random.default_rng(3).random((4, 3)) @ cell
  for true in (True, False):
    density = cj.voxelize(
      positions, np.ones(4), band_limit=true, max_images=64, **options
    )
    residuals = []
    for stated in (true, not true):
      atoms = cj.decode_density(
        density, max_atoms=8, band_limit=stated, **options
      )
      residuals.append(atoms.residual)
    assert residuals[0] < 1e-4 < 1e-2 < residuals[1]


def test_limits_that_make_no_sense_are_named():
  with pytest.raises(ValueError, match='positive lightest, not 0'):
    cj.decode_density(np.zeros(BOX.shape), grid=BOX, sigma=0.5, lightest=0)


def test_more_atoms_than_slots_overflow_and_warn():
  positions, numbers = molecule()
  density = voxelize_box(positions, numbers)
  with pytest.warns(UserWarning, match='max_atoms=2'):
    atoms = cj.decode_density(density, grid=BOX, sigma=0.5, max_atoms=2)
  assert atoms.overflow


def test_shapes_that_disagree_are_named():
  with pytest.raises(ValueError, match='does not fit'):
    cj.decode_density(np.zeros((4, 4, 4)), grid=BOX, sigma=0.5)
  with pytest.raises(ValueError, match='needs its cell'):
    cj.decode_density(np.zeros(CELL.shape), grid=CELL, sigma=0.5)
