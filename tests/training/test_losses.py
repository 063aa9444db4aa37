import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from crystal_jax.training import losses


def test_reconstruction_is_a_mean_over_voxels_in_units_of_scale():
  density = jnp.zeros((2, 3, 3, 3, 1))
  predicted = density.at[1].set(4.0)
  each = losses.reconstruction(predicted, density, scale=2.0)
  np.testing.assert_allclose(each, [0.0, 4.0])


def test_kl_of_a_normal_by_integration():
  mean, std = 0.7, 0.4
  x = np.linspace(-9, 9, 200001)
  q = scipy.stats.norm(mean, std)
  integrand = q.pdf(x) * (q.logpdf(x) - scipy.stats.norm.logpdf(x))
  expected = np.trapezoid(integrand, x)
  got = losses.kl(
    jnp.full((1, 2, 3), mean), jnp.full((1, 2, 3), 2 * np.log(std))
  )
  np.testing.assert_allclose(got, [6 * expected], rtol=1e-5)


def test_free_bits_cost_their_floor():
  zeros = jnp.zeros((1, 4))
  np.testing.assert_allclose(losses.kl(zeros, zeros, free_bits=0.5), [2.0])
  grad = jax.grad(lambda m: losses.kl(m, zeros, free_bits=0.5).sum())
  assert not grad(jnp.full((1, 4), 0.1)).any()


@pytest.mark.parametrize('balance', [0.0, 0.5, 1.0])
def test_weighted_cross_entropy_against_numpy(balance):
  key = jax.random.key(0)
  logits = jax.random.normal(key, (2, 3, 3, 3, 5))
  labels = jax.random.randint(key, (2, 3, 3, 3), 0, 4)
  valid = jnp.array([1.0, 1.0])
  counts = losses.class_counts(labels, valid, 5)
  np.testing.assert_array_equal(
    counts, np.bincount(np.ravel(labels), minlength=5)
  )
  weights = losses.class_weights(counts, balance)
  total = losses.cross_entropy(logits, labels, weights).sum()
  got = total / jnp.sum(weights * counts)
  l64 = np.asarray(logits, np.float64)
  log_p = l64 - np.log(np.exp(l64).sum(-1, keepdims=True))
  each = -np.take_along_axis(log_p, np.asarray(labels)[..., None], -1)[..., 0]
  if balance == 1.0:  # Every class alike: a mean of the classes' means.
    expected = np.mean([each[labels == k].mean() for k in range(4)])
  else:
    w = np.asarray(counts, float)[np.asarray(labels)] ** -balance
    expected = (each * w).sum() / w.sum()
  np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_padding_examples_count_nothing():
  labels = jnp.ones((2, 2, 2, 2), jnp.int32)
  counts = losses.class_counts(labels, jnp.array([1.0, 0.0]), 3)
  np.testing.assert_array_equal(counts, [0, 8, 0])


def test_binary_cross_entropy_against_numpy():
  logits = jax.random.normal(jax.random.key(0), (1, 2, 2, 2, 3))
  labels = jnp.zeros((1, 2, 2, 2), jnp.int32).at[0, 0, 0, 0].set(2)
  p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
  y = np.eye(3)[np.asarray(labels)]
  expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
  got = losses.binary_cross_entropy(logits, labels)
  np.testing.assert_allclose(got, [expected], rtol=1e-5)


def test_lattice_is_a_mean_over_the_six():
  each = losses.lattice(jnp.zeros((2, 6)), jnp.zeros((2, 6)).at[1, 0].set(6.0))
  np.testing.assert_allclose(each, [0.0, 6.0])
