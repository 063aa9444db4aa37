"""Conjugate gradients: approximate solutions of positive definite systems."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def conjugate_gradients(
  product: Callable[[Float[Array, 'N 3']], Float[Array, 'N 3']],
  right_side: Float[Array, 'N 3'],
  iterations: int,
) -> Float[Array, 'N 3']:
  """Approximate solution of product(x) = right_side, from x = 0.

  Traceable. `jax.scipy.sparse.linalg.cg` takes one product more, of its start,
  which is a fifth of the time of four iterations.

  Args:
    product: Product with a symmetric positive semidefinite matrix.
    right_side: The right side.
    iterations: Products, fixed.
  """

  def iteration(_, state):
    x, residual, direction, size = state
    image = product(direction)
    curvature = jnp.vdot(direction, image)
    step = jnp.where(curvature > 0, size / curvature, 0)
    residual = residual - step * image
    size_after = jnp.vdot(residual, residual)
    ratio = jnp.where(size > 0, size_after / size, 0)
    x = x + step * direction
    return x, residual, residual + ratio * direction, size_after

  size = jnp.vdot(right_side, right_side)
  start = jnp.zeros_like(right_side), right_side, right_side, size
  return jax.lax.fori_loop(0, iterations, iteration, start)[0]
