"""Accurate float32 sums: full-precision products, compensated summation."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num, PyTree

# In full precision, also on an accelerator.
dot = functools.partial(jnp.matmul, precision='highest')


def full_precision() -> AbstractContextManager[None]:
  """A context in which float32 matrix products are traced in full precision.

  Accelerators round the operands of float32 products by default, to 10 bits
  (TF32) or to 7 (bfloat16). Training tolerates that; latents, and the
  thresholds at which atoms are read from fields, would differ from a CPU's. It
  holds for what this thread traces inside it. On a CPU nothing changes.
  """
  return jax.default_matmul_precision('highest')


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
