"""Species labels against a float64 reference, and who wins a voxel."""

import functools

import jax
import numpy as np
import pytest

import crystal_jax as cj
from tests import reference

CELL = reference.triclinic((4.0, 5.0, 6.0), (80.0, 95.0, 110.0))


@pytest.mark.parametrize(
  'grid',
  [
    cj.BoxGrid(8.0, 24),
    pytest.param(cj.CellGrid((9, 16, 20)), marks=pytest.mark.slow),
  ],
  ids=str,
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


@pytest.mark.slow
def test_too_few_images_give_no_label_at_all():
  rng = np.random.default_rng(1)
  positions, numbers = rng.uniform(-3, 3, (9, 3)), np.arange(1, 10)
  labels = cj.label_species(
    positions, numbers, CELL, grid=cj.BoxGrid(8.0, 8), max_images=4
  )
  assert (np.asarray(labels) == -1).all()


@pytest.mark.slow
def test_inside_jit_and_vmap_with_empty_slots():
  rng = np.random.default_rng(2)
  grid = cj.BoxGrid(6.0, 8)
  positions = rng.uniform(-3, 3, (2, 6, 3)).astype(np.float32)
  numbers = rng.integers(1, 90, (2, 6)) * (np.arange(6) % 3 > 0)[None]
  cells = np.stack([CELL, CELL * 1.2]).astype(np.float32)
  run = functools.partial(cj.label_species, grid=grid, max_images=128)
  labels = jax.jit(jax.vmap(run))(positions, numbers, cells)
  for i in range(2):
    truth = reference.labels(positions[i], numbers[i], cells[i], grid)
    np.testing.assert_array_equal(labels[i], truth)
  with pytest.raises(ValueError, match='max_images'):
    jax.jit(functools.partial(cj.label_species, grid=grid))(
      positions[0], numbers[0], cells[0]
    )


def test_mistakes_are_named():
  grid = cj.CellGrid(4)
  with pytest.raises(ValueError, match='numbers'):
    cj.label_species(np.zeros((3, 3)), np.ones(2, int), CELL, grid=grid)
  with pytest.raises(ValueError, match='cell'):
    cj.label_species(np.zeros((3, 3)), np.ones(3, int), None, grid=grid)
  with pytest.raises(ValueError, match='radius'):
    cj.label_species(
      np.zeros((3, 3)), np.ones(3, int), CELL, grid=grid, radius=-1.0
    )
