"""Species labels against a float64 twin, and who wins a voxel."""

import numpy as np
import pytest

import crystal_jax as cj
from tests import reference

CELL = reference.triclinic((4.0, 5.0, 6.0), (80.0, 95.0, 110.0))


@pytest.mark.parametrize(
  'grid', [cj.BoxGrid(8.0, 24), cj.CellGrid((9, 16, 20))], ids=str
)
def test_equals_nearest_atom_by_brute_force(grid):
  rng = np.random.default_rng(0)
  positions = rng.uniform(-20, 20, (9, 3))
  numbers = rng.integers(1, 90, 9)
  labels = cj.label_species(positions, numbers, CELL, grid=grid, radius=0.9)
  truth = reference.labels(positions, numbers, CELL, grid, radius=0.9)
  np.testing.assert_array_equal(labels, truth)
  assert (truth > 0).any() and labels.dtype == np.int32


def test_tie_goes_to_the_lower_index():
  positions = np.array([[0.25, 0.0, 0.0], [-0.25, 0.0, 0.0]])
  grid = cj.BoxGrid(length=1.0, size=1)
  for numbers in ([8, 26], [26, 8]):
    labels = cj.label_species(positions, np.array(numbers), None, grid=grid)
    assert labels.item() == numbers[0]
