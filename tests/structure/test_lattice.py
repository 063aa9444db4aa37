"""Lattices: lengths, angles, spacings, and one cell for all bases."""

import jax
import numpy as np
import pytest
import spglib

from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

CELLS = {
  'cubic': np.eye(3) * 4.2,
  'hexagonal': np.array([[3.0, 0, 0], [-1.5, 1.5 * 3**0.5, 0], [0, 0, 5.0]]),
  'fcc': np.array([[0, 2.0, 2.0], [2.0, 0, 2.0], [2.0, 2.0, 0]]),
  'bcc': np.array([[-1.5, 1.5, 1.5], [1.5, -1.5, 1.5], [1.5, 1.5, -1.5]]),
  'long': np.diag([3.0, 3.0, 60.0]),
  'triclinic': np.array([[4.0, 0, 0], [1.1, 5.3, 0], [-2.2, 1.7, 6.1]]),
  'oblique': np.array([[3.0, 0, 0], [2.6, 1.5, 0], [1.0, 0.4, 7.0]]),
}


@pytest.fixture(params=CELLS)
def cell(request):
  return CELLS[request.param]


def unimodular(seed):
  rng = np.random.default_rng(seed)
  matrix = np.eye(3, dtype=int)
  for _ in range(5):
    i, j = rng.choice(3, 2, replace=False)
    matrix[i] += rng.integers(-2, 3) * matrix[j]
  return matrix


def test_lengths_and_angles_make_the_cell_again(cell):
  lengths, angles = lattice.lengths_and_angles(cell)
  again = lattice.from_lengths_and_angles(lengths, angles)
  np.testing.assert_allclose(again @ again.T, cell @ cell.T, atol=2e-3)


def test_angles_are_differentiable_where_they_are_right():
  grad = jax.grad(lambda c: lattice.lengths_and_angles(c)[1][0])(np.eye(3))
  # alpha falls by a radian for each unit that b leans towards c.
  np.testing.assert_allclose(grad[1], [0, 0, -np.degrees(1)], rtol=1e-5)


def test_plane_spacings_are_volume_over_area(cell):
  area = [np.linalg.norm(np.cross(cell[i - 2], cell[i - 1])) for i in range(3)]
  expected = abs(np.linalg.det(cell)) / np.array(area)
  np.testing.assert_allclose(lattice.plane_spacings(cell), expected, rtol=1e-5)
  np.testing.assert_allclose(
    lattice.volume(cell), abs(np.linalg.det(cell)), rtol=1e-5
  )


@pytest.mark.parametrize('seed', range(4))
def test_niggli_cell_is_the_same_for_all_bases(cell, seed):
  basis = unimodular(seed) @ cell
  reduced = lattice.niggli_reduce(basis)
  once = lattice.niggli_reduce(cell)
  np.testing.assert_allclose(reduced @ reduced.T, once @ once.T, atol=1e-6)
  times = reduced @ np.linalg.inv(cell)
  np.testing.assert_allclose(times, np.rint(times), atol=1e-6)


# spglib deprecates its own way of reporting errors.
@pytest.mark.filterwarnings('ignore:Set OLD_ERROR_HANDLING')
def test_niggli_cell_is_spglibs():
  rng = np.random.default_rng(0)
  for _ in range(200):
    cell = rng.normal(size=(3, 3)) * 4
    if abs(np.linalg.det(cell)) < 5:
      continue
    ours = lattice.niggli_reduce(cell, 1e-8)
    theirs = spglib.niggli_reduce(cell, eps=1e-8)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-5)


def test_minkowski_cell_has_the_shortest_vectors(cell):
  reduced, op = lattice.minkowski_reduce(unimodular(7) @ cell)
  np.testing.assert_allclose(reduced, op @ unimodular(7) @ cell, atol=1e-9)
  steps = np.stack(np.meshgrid(*[range(-2, 3)] * 3), -1).reshape(-1, 3)
  steps = steps[np.gcd.reduce(steps, axis=1) == 1]
  lengths = np.sort(np.linalg.norm(steps @ reduced, axis=1))
  lengths = np.linalg.norm(reduced, axis=1)
  assert lengths[0] <= lengths[0] + 1e-9
  assert (np.diff(lengths) >= -1e-9).all()


def test_idealize_restores_the_symmetry_that_noise_hid():
  cell = CELLS['hexagonal']
  noisy = cell + np.random.default_rng(0).normal(size=(3, 3)) * 1e-4
  ideal = lattice.idealize(noisy)
  lengths, angles = lattice.lengths_and_angles(ideal)
  np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-6)
  np.testing.assert_allclose(angles, [90, 90, 120], atol=1e-3)
  np.testing.assert_allclose(ideal, noisy, atol=1e-3)


def test_idealize_leaves_a_triclinic_cell_alone():
  cell = lattice.niggli_reduce(CELLS['triclinic'])
  np.testing.assert_allclose(lattice.idealize(cell), cell, atol=1e-9)


@pytest.mark.parametrize('bad', [np.zeros((3, 3)), np.eye(2), np.ones((3, 3))])
def test_no_volume_is_an_error(bad):
  with pytest.raises(ValueError):
    lattice.niggli_reduce(bad)


def test_a_left_handed_cell_is_turned_and_no_atom_moves():
  rng = np.random.default_rng(0)
  cells = np.eye(3) * 5 + rng.normal(0, 1, (6, 3, 3))
  cells[::2] = cells[::2, [1, 0, 2]]
  positions = rng.uniform(0, 5, (6, 4, 3))
  batch = Crystal(np.ones((6, 4), int), positions, cells)
  turned = lattice.right_handed(batch)
  assert (np.linalg.det(turned.cell) > 0).all()
  assert (np.linalg.det(cells) < 0).any()
  np.testing.assert_array_equal(turned.positions, positions)
  np.testing.assert_array_equal(np.abs(turned.cell), np.abs(cells))
  kept = Crystal(batch.numbers[1], positions[1], np.eye(3))
  assert lattice.right_handed(kept) is kept
