"""Six numbers of a lattice, and their inverse."""

import numpy as np
import pytest

from crystal_jax.representation import lattice_numbers
from crystal_jax.structure import lattice


def test_cells_come_back_up_to_rotation():
  rng = np.random.default_rng(0)
  cells = rng.normal(size=(50, 3, 3)) + 4 * np.eye(3)
  for cell in cells:
    back = lattice_numbers.to_cell(lattice_numbers.to_numbers(cell))
    np.testing.assert_allclose(back @ back.T, cell @ cell.T, rtol=1e-5)
    assert np.linalg.det(back) > 0


def test_numbers_are_logarithms_and_cosines():
  cell = np.asarray(
    lattice.from_lengths_and_angles([3.0, 4.0, 5.0], [80.0, 95.0, 120.0])
  )
  numbers = lattice_numbers.to_numbers(cell)
  np.testing.assert_allclose(np.exp(numbers[:3]), [3, 4, 5], rtol=1e-6)
  angles = np.degrees(np.arccos(numbers[3:]))
  np.testing.assert_allclose(angles, [80, 95, 120], atol=1e-4)


@pytest.mark.parametrize(
  'cosines', [(1.1, 0, 0), (-0.9, -0.9, -0.9), (np.nan, 0, 0)]
)
def test_angles_of_no_cell_give_none(cosines):
  assert lattice_numbers.to_cell([1.0, 1.0, 1.0, *cosines]) is None
