"""Accurate float32 arithmetic: full-precision products, compensated sums."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num, PyTree

# Matrix product in full precision. An accelerator's default rounds operands.
dot = functools.partial(jnp.matmul, precision='highest')


def full_precision() -> AbstractContextManager[None]:
  """A context in which float32 matrix products are traced in full precision.

  Accelerators round the operands of float32 products by default, to 10 bits
  (TF32) or to 7 (bfloat16). Training tolerates that, but latents and decoded
  atoms would differ from a CPU's. The context applies to functions that this
  thread traces inside it. On a CPU nothing changes.
  """
  return jax.default_matmul_precision('highest')


def compensated_sum(
  term: Callable[..., Num[Array, '*S']], *arguments: PyTree[Num[Array, 'K ...']]
) -> Num[Array, '*S']:
  """Σ_k term(arguments[0][k], arguments[1][k], ..), by Kahan's summation.

  Derivatives recompute the terms, which saves memory.
  """
  term = jax.checkpoint(term)

  def add(carry, arguments):
    total, rounding_error = carry
    corrected = term(*arguments) - rounding_error
    new_total = total + corrected
    rounding_error = jax.lax.stop_gradient(new_total - total - corrected)
    return (new_total, rounding_error), None

  first = term(*jax.tree.map(lambda array: array[0], arguments))
  rest = jax.tree.map(lambda array: array[1:], arguments)
  (total, _), _ = jax.lax.scan(add, (first, jnp.zeros_like(first)), rest)
  return total


def trilinear_sum(
  x: Num[Array, 'X M'], y: Num[Array, 'Y M'], z: Num[Array, 'Z M']
) -> Num[Array, 'XY Z']:
  """Σ_m x[i, m] y[j, m] z[k, m], as one matrix product of x y with z."""
  xy = (x[:, None] * y[None]).reshape(-1, x.shape[1])
  return dot(xy, z.T)
