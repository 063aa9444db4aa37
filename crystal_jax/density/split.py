"""Numbers as coarse + fine, so that sums of them keep their last digits.

A coordinate of 100 Å in float32 is known to 8e-6 Å. Split into a whole multiple
of a power of two and a small rest, the coarse parts add up without rounding and
the rests hardly round.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

# Coarse parts are integer multiples of this, Å; their sums do not round in
# float32 up to about 65,000 Å.
_QUANTUM = 2.0**-8


class Split(NamedTuple):
  """A coordinate in Å as coarse + fine, so that sums keep the last digits."""

  coarse: Float[Array, '*S']
  fine: Float[Array, '*S']

  @property
  def value(self) -> Float[Array, '*S']:
    """The coordinate itself, rounded."""
    return self.coarse + self.fine


def split(x: Float[ArrayLike, '*S'], dtype: jnp.dtype) -> Split:
  """Splits a coordinate; NumPy's float64 keeps its precision in float32."""
  if isinstance(x, jax.Array):
    x = x.astype(dtype)
    coarse = quantize(x)
    return Split(coarse, x - coarse)
  x = np.asarray(x, np.float64)
  whole = np.round(x / _QUANTUM) * _QUANTUM
  return Split(jnp.asarray(whole, dtype), jnp.asarray(x - whole, dtype))


def quantize(x: Float[Array, '*S']) -> Float[Array, '*S']:
  """The nearest integer multiple of the quantum, constant in derivatives."""
  return jax.lax.stop_gradient(jnp.round(x / _QUANTUM) * _QUANTUM)


def volume(cell: Split) -> Split:
  """Volume of a cell, Å³; its coarse part is exact in small cells."""
  _, b, c = cell.value
  coarse, fine = cell
  # Whole quanta multiply without rounding while they have few digits.
  normal = jnp.cross(coarse[1], coarse[2])
  high = jnp.round(32 * normal) / 32
  rest = normal - high + jnp.cross(fine[1], c) + jnp.cross(coarse[1], fine[2])
  rest = (fine[0] * jnp.cross(b, c) + coarse[0] * rest).sum()
  whole = (coarse[0] * high).sum()
  sign = jnp.sign(whole + rest)
  return Split(sign * whole, sign * rest)


def float_type(*arrays: ArrayLike | None) -> jnp.dtype:
  """float32, or float64 where x64 mode is on and an array has it."""
  return jnp.result_type(jnp.float32, *(a for a in arrays if a is not None))
