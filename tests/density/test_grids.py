"""Grids: where voxels sit, and what is refused."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density import grids
from tests import reference

CELL = reference.triclinic((4.0, 5.0, 6.0), (80.0, 95.0, 110.0))


@pytest.mark.parametrize(
  'grid', [cj.BoxGrid(9.0, 6), cj.CellGrid(4), cj.CellGrid((2, 3, 4))], ids=str
)
def test_points_are_those_of_the_definition(grid):
  points = grids.points(grid, CELL)
  truth = reference.voxel_points(grid, CELL)
  np.testing.assert_allclose(points, truth, atol=1e-6)


def test_a_box_is_centred_and_has_no_voxel_on_its_walls():
  axis = cj.BoxGrid(length=10.0, size=4).axis()
  np.testing.assert_allclose(axis, [-3.75, -1.25, 1.25, 3.75])


def test_grids_are_equal_and_hash_by_value():
  assert cj.CellGrid((8, 8, 8)) == cj.CellGrid(8)
  assert hash(cj.BoxGrid(10, 60)) == hash(cj.BoxGrid(10.0, 60))
  assert cj.CellGrid([4, 5, 6]).shape == (4, 5, 6)


@pytest.mark.parametrize(
  'size', [0, -1, 2.5, True, float('inf'), 'x', None, (4, 4), (4, 0, 4)]
)
def test_bad_sizes_are_refused(size):
  with pytest.raises(ValueError, match='size'):
    cj.CellGrid(size)


@pytest.mark.parametrize('length', [0.0, -1.0, float('inf'), float('nan')])
def test_bad_lengths_are_refused(length):
  with pytest.raises(ValueError, match='length'):
    cj.BoxGrid(length=length)


def test_a_cell_grid_needs_a_cell():
  with pytest.raises(ValueError, match='cell'):
    grids.points(cj.CellGrid(4))


def test_resolves_follows_the_longest_vector_whatever_the_angles():
  flat = reference.triclinic((6.0, 6.0, 6.0), (30.0, 40.0, 50.0))
  for cell in (np.eye(3) * 6.0, flat):
    assert grids.resolves(cj.CellGrid(21), cell, 0.5)
    assert not grids.resolves(cj.CellGrid(19), cell, 0.5)
