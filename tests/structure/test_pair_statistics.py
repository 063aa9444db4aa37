"""Shortest distances by pair and volumes by element."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.structure import contacts, pair_statistics
from tests import crystals

A = 3.905  # Of the perovskite, Å.


def test_distances_by_pair_are_those_of_the_perovskite():
  found = pair_statistics.shortest_distances(crystals.perovskite())
  expected = {
    (8, 8): A / np.sqrt(2), (8, 22): A / 2, (8, 38): A / np.sqrt(2),
    (22, 22): A, (22, 38): A * np.sqrt(3) / 2, (38, 38): A,
  }  # fmt: skip
  assert found.keys() == expected.keys()
  for pair, distance in expected.items():
    assert found[pair] == pytest.approx(distance)


def test_distances_do_not_depend_on_the_cell():
  atoms = crystals.hydride().to_ase().repeat((1, 2, 1))
  atoms.set_cell([[1, 0, 0], [3, 1, 0], [-2, 4, 1]] @ atoms.cell[:])
  other = cj.Crystal.from_ase(atoms)
  first = pair_statistics.shortest_distances(crystals.hydride())
  second = pair_statistics.shortest_distances(other)
  assert first.keys() == second.keys()
  for pair in first:
    assert second[pair] == pytest.approx(first[pair], abs=1e-6)


def test_the_matrix_agrees_with_a_neighbor_list():
  from ase.neighborlist import neighbor_list

  crystal = crystals.silicate()
  matrix = contacts.distance_matrix(crystal.positions, crystal.cell)
  i, j, d = neighbor_list('ijd', crystal.to_ase(), 4.0)
  for first, second in np.argwhere(matrix < 3.9):
    nearest = d[(i == first) & (j == second)].min()
    assert matrix[first, second] == pytest.approx(nearest, abs=1e-6)


def test_statistics_of_one_crystal_come_back(tmp_path):
  known = [crystals.perovskite()] * 6
  statistics = pair_statistics.learn(known)
  assert statistics.shortest[8, 22] == pytest.approx(A / 2)
  assert statistics.volume(known[0].numbers) == pytest.approx(A**3)
  assert pair_statistics.too_near(known[0], statistics, 0.99) is None
  closer = cj.Crystal(
    known[0].numbers, 0.8 * known[0].positions, 0.8 * known[0].cell
  )
  reason = pair_statistics.too_near(closer, statistics, 0.9)
  assert 'apart, below' in reason
  statistics.save(tmp_path / 's.npz')
  again = pair_statistics.load(tmp_path / 's.npz')
  np.testing.assert_allclose(again.typical, statistics.typical, rtol=1e-6)


def test_shipped_statistics_are_those_of_known_crystals():
  statistics = pair_statistics.shipped()
  assert 1.1 < statistics.shortest[6, 6] < 1.6  # A triple to a single bond.
  assert statistics.typical[11, 17] == pytest.approx(2.75, abs=0.15)
  np.testing.assert_array_equal(statistics.shortest, statistics.shortest.T)
  assert (statistics.shortest[1:, 1:] > 0.4).all()
  assert pair_statistics.too_near(crystals.perovskite(), statistics, 1) is None
