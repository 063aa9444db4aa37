import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax import metrics


def test_species_iou_leaves_the_background_out():
  labels = jnp.array([[0, 0, 8, 8, 22, 22]])
  predicted = jnp.array([[0, 8, 8, 8, 22, 0]])
  values = metrics.divide(metrics.species_sums(predicted, labels, jnp.ones(1)))
  assert values['species_iou'] == pytest.approx(3 / 5)
  assert values['species_voxels'] == pytest.approx(3 / 4)


def test_sums_add_up_whatever_the_batches():
  key = np.random.default_rng(0)
  a, b = key.normal(size=(2, 4, 2, 2, 2, 1))
  valid = jnp.array([1.0, 1.0, 1.0, 0.0])
  whole = metrics.density_sums(a, b, valid)
  parts = None
  for i in range(4):
    one = slice(i, i + 1)
    parts = metrics.add(parts, metrics.density_sums(a[one], b[one], valid[one]))
  assert metrics.divide(parts) == pytest.approx(metrics.divide(whole))
  expected = np.mean((a[:3] - b[:3]) ** 2)
  got = metrics.divide(whole)['reconstruction_mse']
  assert got == pytest.approx(expected, rel=1e-5)


def _compare(true, decoded):
  unpack = lambda atoms: (
    np.array([a[0] for a in atoms], float).reshape(-1, 3),
    np.array([a[1] for a in atoms], int),
    np.array([a[2] for a in atoms], bool),
  )
  return metrics.compare_atoms(*unpack(true), *unpack(decoded), farthest=5.0)


def test_an_atom_across_the_wall_is_near_but_not_counted():
  true = [((4.9, 0, 0), 8, True), ((0, 0, 0), 22, True)]
  decoded = [((5.1, 0, 0), 8, False), ((0.4, 0, 0), 23, True)]
  comparison = _compare(true, decoded)
  np.testing.assert_allclose(comparison.true_distances, [0.2, 0.4])
  np.testing.assert_allclose(comparison.decoded_distances, [0.4])
  assert not comparison.count_exact
  summary = metrics.summarize_atoms([comparison])
  assert summary['count_exact'] == 0
  assert summary['found_within_0.5'] == 1
  assert summary['found_within_0.3'] == 0.5
  assert summary['species_accuracy'] == 0.5
  assert summary['species_within_one'] == 1
  assert summary['atoms_right'] == 0.5


def test_nothing_decoded_is_as_far_as_it_gets():
  comparison = _compare([((0, 0, 0), 8, True)], [])
  summary = metrics.summarize_atoms([comparison])
  assert summary['nearest_median'] == 5.0
  assert summary['atoms_right'] == 0
  assert np.isnan(summary['species_accuracy'])
  assert np.isnan(summary['decoded_nearest_median'])
