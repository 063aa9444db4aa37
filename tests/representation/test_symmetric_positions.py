"""Symmetrization removes noise and keeps all else."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.representation.symmetric_positions import symmetrize_positions
from tests import crystals


def distances(a, b):
  """Distances of atoms in the same order, Å, without the mean displacement."""
  difference = (a.positions - b.positions) @ np.linalg.inv(b.cell)
  difference = (difference - np.rint(difference)) @ b.cell
  return np.linalg.norm(difference - difference.mean(axis=0), axis=1)


def noisy(crystal, sigma):
  noise = np.random.default_rng(0).normal(0, sigma, crystal.positions.shape)
  return cj.Crystal(crystal.numbers, crystal.positions + noise, crystal.cell)


def test_noise_is_removed():
  true = crystals.perovskite()
  given = noisy(true, 0.03)
  found = symmetrize_positions(given, 0.3)
  assert distances(given, true).max() > 0.02
  assert distances(found, true).max() < 1e-6


@pytest.mark.parametrize('make', crystals.ALL)
def test_a_symmetric_crystal_does_not_change(make):
  true = make()
  found = symmetrize_positions(true, 0.1)
  assert distances(found, true).max() < 1e-3
  np.testing.assert_array_equal(found.cell, true.cell)
  np.testing.assert_array_equal(found.numbers, true.numbers)


def test_without_symmetry_no_atom_moves():
  rng = np.random.default_rng(1)
  crystal = cj.Crystal(
    np.array([3, 9, 17, 26]),
    np.array([[0, 0, 0], [2, 1, 3], [3, 4, 1], [1, 3, 4.5]])
    + rng.random((4, 3)),
    np.array([[5, 0, 0], [1.1, 6, 0], [0.4, 0.7, 7]]),
  )
  assert distances(symmetrize_positions(crystal, 0.1), crystal).max() < 1e-9


def test_noise_above_the_tolerance_is_kept():
  given = noisy(crystals.perovskite(), 0.03)
  found = symmetrize_positions(given, 0.001)
  assert distances(found, given).max() < 1e-9


def test_a_small_distortion_that_doubles_the_cell_is_kept():
  cell = np.diag([3.0, 3.2, 6.0])
  positions = np.array([[0.1, 0, 0], [-0.1, 0, 3.0]])  # a zigzag chain
  true = cj.Crystal(np.array([6, 6]), positions, cell)
  found = symmetrize_positions(true, 0.3)
  assert distances(found, true).max() < 1e-6
