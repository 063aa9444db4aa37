"""Atoms of decoded crystals against the true ones, in a cell and in a box."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.evaluation.atoms import Atoms, atoms_in_box
from crystal_jax.evaluation.views import BoxView, CellView, make_view
from crystal_jax.representation import Box, Cell
from tests import crystals
from tests.representation.test_coded_box import make

CELL = CellView(Cell(size=16, sigma=0.9, max_atoms=20, closest=1.0))


def test_distances_are_the_shortest_in_the_true_lattice():
  true = crystals.perovskite()
  cell = np.asarray(true.cell)
  # Across the faces, and in a lattice twice as long.
  moved = (np.asarray(true.positions) + 0.05) @ np.linalg.inv(cell) % 1.0
  found = cj.Crystal(true.numbers, moved @ (2 * cell), 2 * cell)
  compared = CELL.compare(true, CELL.atoms(found, true))
  np.testing.assert_allclose(
    compared.true_distances, 0.05 * np.sqrt(3), rtol=1e-5
  )
  np.testing.assert_array_equal(compared.nearest_numbers, true.numbers)
  assert compared.count_exact


def test_without_atoms_all_are_far():
  compared = CELL.compare(crystals.bcc(), Atoms.none())
  assert compared.true_distances == pytest.approx([5.0])
  assert not compared.count_exact and not compared.nearest_numbers.any()


@pytest.mark.parametrize(
  'filling, atoms', [('repeating', 64), ('single_cell', 1)]
)
def test_a_box_shows_images_where_it_repeats(filling, atoms):
  view = BoxView(make(filling, size=24, length=8.0))
  cell = np.diag([2.0, 2.0, 2.0])
  true = cj.Crystal(np.array([26]), np.array([[0.1, 0.1, 0.1]]), cell)
  figure = view.atoms(true, true)
  assert figure.inside.sum() == atoms
  assert view.compare(true, figure).count_exact
  moved = cj.Crystal(true.numbers, true.positions + 0.3, cell)
  compared = view.compare(true, view.atoms(moved, true))
  np.testing.assert_allclose(compared.true_distances, 0.3 * np.sqrt(3))


def test_the_edges_drawn_are_those_of_the_cell():
  true = crystals.layered()
  scene = CELL.scene(true, true)
  edges = scene.edges()
  assert edges.shape == (12, 2, 3)
  lengths = np.sort(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1))
  expected = np.sort(np.tile(np.linalg.norm(true.cell, axis=1), 4))
  np.testing.assert_allclose(lengths, expected)


def test_atoms_of_a_box_against_a_supercell():
  rng = np.random.default_rng(0)
  cell = np.array([[3.1, 0.2, 0.0], [0.9, 3.3, -0.3], [-0.4, 1.0, 4.0]])
  positions = rng.uniform(-9, 9, (3, 3))
  numbers = np.array([8, 22, 0])
  grid = cj.BoxGrid(length=6.0, size=12)
  atoms = atoms_in_box(positions, numbers, cell, grid, margin=1.5)
  steps = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3), -1).reshape(-1, 3)
  images = (positions[:2, None] + steps @ cell).reshape(-1, 3)
  assert len(atoms.positions) == (np.abs(images) <= 4.5).all(-1).sum()
  assert atoms.inside.sum() == (np.abs(images) <= 3.0).all(-1).sum()
  assert set(atoms.numbers) == {8, 22}


def test_the_papers_box_has_no_view():
  box = Box.__new__(Box)
  with pytest.raises(TypeError, match='Need a Cell or a CodedBox'):
    make_view(box)
