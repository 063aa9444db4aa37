"""Decoded atoms of a box against the true ones."""

import numpy as np

from crystal_jax.evaluation import comparison as lib
from crystal_jax.evaluation.atoms import Atoms


def _compare(true, decoded):
  unpack = lambda atoms: (
    np.array([a[0] for a in atoms], float).reshape(-1, 3),
    np.array([a[1] for a in atoms], int),
    np.array([a[2] for a in atoms], bool),
  )
  return lib.compare_atoms(Atoms(*unpack(true)), Atoms(*unpack(decoded)))


def test_an_atom_across_the_wall_is_near_but_not_counted():
  true = [((4.9, 0, 0), 8, True), ((0, 0, 0), 22, True)]
  decoded = [((5.1, 0, 0), 8, False), ((0.4, 0, 0), 23, True)]
  comparison = _compare(true, decoded)
  np.testing.assert_allclose(comparison.true_distances, [0.2, 0.4])
  np.testing.assert_allclose(comparison.decoded_distances, [0.4])
  assert not comparison.count_exact
  summary = lib.summarize_atoms([comparison])
  assert summary['count_exact'] == 0
  assert summary['found_within_0.5'] == 1
  assert summary['found_within_0.3'] == 0.5
  assert summary['species_accuracy'] == 0.5
  assert summary['species_within_one'] == 1
  assert summary['atoms_right'] == 0.5


def test_nothing_decoded_is_as_far_as_it_gets():
  comparison = _compare([((0, 0, 0), 8, True)], [])
  summary = lib.summarize_atoms([comparison])
  assert summary['nearest_median'] == 5.0
  assert summary['atoms_right'] == 0
  assert np.isnan(summary['species_accuracy'])
  assert np.isnan(summary['decoded_nearest_median'])
