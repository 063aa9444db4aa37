"""Symmetry operations are those of spglib."""

import numpy as np
import pytest
import spglib

from crystal_jax.representation import frame
from crystal_jax.structure.symmetry_operations import (
  lattice_rotations,
  symmetry_operations,
)
from tests import crystals

TOLERANCE = 0.01


def framed(crystal):
  fractional = np.asarray(crystal.positions) @ np.linalg.inv(crystal.cell)
  return frame.standard_frame(crystal.numbers, fractional, crystal.cell)


SAMPLES = [framed(make()) for make in crystals.ALL] + [
  framed(crystal) for crystal in crystals.embedded(20)
]


@pytest.mark.filterwarnings('ignore:Set OLD_ERROR_HANDLING')
@pytest.mark.parametrize('sample', SAMPLES)
def test_as_many_as_spglib_finds(sample):
  numbers, fractional, cell = sample
  found = symmetry_operations(*sample, TOLERANCE)
  expected = spglib.get_symmetry((cell, fractional, numbers), TOLERANCE)
  rotations = {tuple(r.T.ravel()) for r in expected['rotations']}
  assert {tuple(r.ravel().astype(int)) for r in found.rotations} == rotations


@pytest.mark.parametrize('sample', SAMPLES)
def test_each_carries_the_crystal_onto_itself(sample):
  numbers, fractional, cell = sample
  found = symmetry_operations(*sample, TOLERANCE)
  for rotation, translation, permutation in zip(*found, strict=True):
    assert (numbers[permutation] == numbers).all()
    assert sorted(permutation) == list(range(len(numbers)))
    vectors = fractional @ rotation + translation - fractional[permutation]
    vectors = (vectors - np.rint(vectors)) @ cell
    assert np.linalg.norm(vectors, axis=1).max() < TOLERANCE


def test_a_supercell_has_no_group_without_translations():
  numbers, fractional, cell = framed(crystals.perovskite())
  half = fractional / [2, 1, 1]
  double = np.concatenate([half, half + [0.5, 0, 0]])
  twice = np.diag([2.0, 1, 1]) @ cell
  assert symmetry_operations(np.tile(numbers, 2), double, twice, 0.01) is None


@pytest.mark.parametrize(
  ('cell', 'order'),
  [
    (np.eye(3) * 4.0, 48),
    (np.diag([4.0, 4.0, 5.0]), 16),
    (np.diag([4.0, 4.3, 5.0]), 8),
    (np.array([[0, 2, 2], [2, 0, 2], [2, 2, 0.0]]), 48),
    (np.array([[3, 0, 0], [-1.5, 1.5 * 3**0.5, 0], [0, 0, 5.0]]), 24),
    (np.array([[4, 0, 0], [0.3, 5, 0], [0.5, 0.7, 6.0]]), 2),
  ],
)
def test_rotations_of_lattices(cell, order):
  assert len(lattice_rotations(cell, 0.01)) == order
