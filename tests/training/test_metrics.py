"""Metrics are sums that are divided once."""

import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.training import metrics


def test_species_iou_leaves_the_background_out():
  labels = jnp.array([[0, 0, 8, 8, 22, 22]])
  predicted = jnp.array([[0, 8, 8, 8, 22, 0]])
  values = metrics.divide(metrics.species_sums(predicted, labels, jnp.ones(1)))
  assert values['species_iou'] == pytest.approx(3 / 5)
  assert values['species_recall'] == pytest.approx(3 / 4)


def test_metrics_do_not_depend_on_batching():
  rng = np.random.default_rng(0)
  a, b = rng.normal(size=(2, 4, 2, 2, 2, 1))
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
