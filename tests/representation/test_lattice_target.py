"""Six numbers of a lattice, and their inverse."""

import numpy as np

from crystal_jax.representation.lattice_target import (
  lattice_target,
  target_cell,
)
from crystal_jax.structure import lattice


def test_the_cell_of_a_target_is_the_niggli_cell():
  rng = np.random.default_rng(0)
  for _ in range(10):
    cell = 4 * np.eye(3) + rng.normal(0, 1, (3, 3))
    target = lattice_target(cell, 7)
    again = target_cell(target, 7)
    np.testing.assert_allclose(lattice_target(again, 7), target, atol=1e-5)
    lengths, angles = lattice.lengths_and_angles(lattice.niggli_reduce(cell))
    found_lengths, found_angles = lattice.lengths_and_angles(again)
    np.testing.assert_allclose(found_lengths, lengths, rtol=1e-4)
    np.testing.assert_allclose(found_angles, angles, atol=1e-2)


def test_lengths_are_over_the_cube_root_of_the_atoms():
  target = lattice_target(np.diag([4.0, 6.0, 8.0]), 8)
  np.testing.assert_allclose(target, [2, 3, 4, 0, 0, 0], atol=1e-6)


def test_angles_of_no_cell_are_nan():
  assert np.isnan(target_cell([3.0, 3.0, 3.0, -0.9, -0.9, -0.9], 1)).any()
