"""Conjugate gradients against NumPy."""

import numpy as np

from crystal_jax.codec.refinement.conjugate_gradients import conjugate_gradients


def test_as_many_iterations_as_unknowns_solve_a_system():
  rng = np.random.default_rng(0)
  factor = rng.normal(size=(12, 9))
  matrix = (factor.T @ factor + np.eye(9)).astype(np.float32)
  right_side = rng.normal(size=(3, 3)).astype(np.float32)

  def product(x):
    return (matrix @ x.reshape(-1)).reshape(3, 3)

  expected = np.linalg.solve(matrix, right_side.reshape(-1)).reshape(3, 3)
  errors = [
    np.abs(conjugate_gradients(product, right_side, n) - expected).max()
    for n in (2, 5, 12)
  ]
  assert errors[0] > errors[1] > errors[2]
  assert errors[2] < 1e-4 * np.abs(expected).max()


def test_a_solved_system_stays_at_zero():
  found = conjugate_gradients(lambda x: 2 * x, np.zeros((2, 3), np.float32), 3)
  np.testing.assert_array_equal(found, 0)
