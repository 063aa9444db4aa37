"""Contacts, against a neighbour list, in cells of all shapes."""

import time
import tracemalloc

import ase
import ase.neighborlist
import numpy as np
import pytest

from crystal_jax.structure import contacts


def closest(positions, cell, distance):
  atoms = ase.Atoms(f'H{len(positions)}', positions, cell=cell, pbc=True)
  return ase.neighborlist.neighbor_list('d', atoms, distance)


@pytest.mark.parametrize(
  'size, distance', [(3.0, 0.5), (3.0, 1.4), (40.0, 9.0)]
)
def test_it_is_what_a_neighbour_list_finds(size, distance):
  rng = np.random.default_rng(0)
  found = 0
  for _ in range(40):
    cell = np.diag(rng.uniform(0.7, 1.3, 3)) + rng.normal(0, 0.25, (3, 3))
    cell = size * cell
    positions = rng.uniform(-2, 2, (rng.integers(1, 9), 3)) @ cell
    expected = closest(positions, cell, distance)
    contact = contacts.first_contact(positions, cell, distance)
    assert (contact is not None) == bool(len(expected))
    if contact:
      assert np.abs(expected - contact[2]).min() < 1e-9
      found += 1
  assert 2 < found < 40 or distance > 1


def test_an_atom_and_its_image():
  cell = np.diag([0.3, 5.0, 5.0])
  assert contacts.first_contact(np.zeros((1, 3)), cell, 0.4) == (0, 0, 0.3)
  assert contacts.first_contact(np.zeros((1, 3)), cell, 0.2) is None


def test_a_contact_among_a_thousand_atoms():
  positions = 2.0 * np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), 1)
  cell = 20 * np.eye(3)
  assert contacts.first_contact(positions, cell, 0.4) is None
  positions[17] = positions[999] + [0.1, 0, 0]
  assert sorted(contacts.first_contact(positions, cell, 0.4)[:2]) == [17, 999]


def test_a_skewed_cell_takes_no_longer():
  cell = np.array([[4, 0, 0], [0, 4, 0], [0, 3.99984, 0.0349]])
  start = time.perf_counter()
  contact = contacts.first_contact(np.zeros((1, 3)), cell, 0.4)
  assert time.perf_counter() - start < 2
  assert contact[:2] == (0, 0) and contact[2] == pytest.approx(0.0349, abs=1e-3)


@pytest.mark.parametrize('scale', [1e-4, 1e-3, 0.05])
def test_a_tiny_or_needle_like_cell_takes_no_time(scale):
  """Millions of images would lie within the distance."""
  start = time.process_time()
  for cell in np.eye(3) * 4 * scale, np.diag([4.0, 4e3, 4 * scale]):
    skewed = np.array([[1, 0, 0], [7, 1, 0], [-3, 11, 1]]) @ cell
    for each in cell, skewed:
      found = contacts.first_contact(np.zeros((2, 3)) + [[0], [1]], each, 0.4)
      assert found is not None and found[2] < 0.4
  assert time.process_time() - start < 5


def test_a_crowd_takes_no_memory():
  positions = np.random.default_rng(0).uniform(0, 1, (20_000, 3))
  tracemalloc.start()
  i, j, distance = contacts.first_contact(positions, np.eye(3), 0.4)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 1e8
  expected = np.linalg.norm(positions[i] - positions[j])
  assert i != j and distance == pytest.approx(expected) and distance < 0.4
