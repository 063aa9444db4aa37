"""Accurate float32 sums: full-precision products, compensated summation."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num, PyTree

# In full precision, also on an accelerator.
dot = functools.partial(jnp.matmul, precision='highest')


def add_up(
  form: Callable[..., Num[Array, '*S']], *items: PyTree[Num[Array, 'K ...']]
) -> Num[Array, '*S']:
  """Σ_k form(items[0][k], items[1][k], ..), by compensated summation.

  Terms are recomputed in derivatives instead of kept.
  """
  form = jax.checkpoint(form)

  def add(carry, item):
    total, surplus = carry  # Kahan: the rounding error is subtracted next
    part = form(*item) - surplus
    new = total + part
    return (new, jax.lax.stop_gradient(new - total - part)), None

  first = form(*jax.tree.map(lambda item: item[0], items))
  rest = jax.tree.map(lambda item: item[1:], items)
  return jax.lax.scan(add, (first, jnp.zeros_like(first)), rest)[0][0]


def trilinear(
  x: Num[Array, 'X M'], y: Num[Array, 'Y M'], z: Num[Array, 'Z M']
) -> Num[Array, 'XY Z']:
  """Σ_m x[i, m] y[j, m] z[k, m], as one matrix product."""
  pairs = (x[:, None] * y[None]).reshape(-1, x.shape[1])
  return dot(pairs, z.T)
