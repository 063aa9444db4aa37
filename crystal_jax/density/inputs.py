"""Checks and conversion of arrays that users pass."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike


def as_numbers(
  name: str, value: ArrayLike | Sequence
) -> jax.Array | np.ndarray:
  """The argument as an array of real numbers that JAX accepts.

  JAX arrays and tracers pass as they are. Lists, other byte orders, float16 and
  long floats become native NumPy arrays of float32, float64 or integers.

  Args:
    name: Name of the argument in errors.
    value: The argument.

  Raises:
    ValueError: If it is not a rectangular array of real numbers.
  """
  if isinstance(value, np.ma.MaskedArray):
    raise ValueError(
      f'{name} is a masked array; pass plain numbers, and a weight of zero for '
      'atoms to leave out.'
    )
  try:
    array = value if isinstance(value, jax.Array) else np.asarray(value)
  except jax.errors.TracerArrayConversionError:  # a list of traced numbers
    array = jnp.asarray(value)
  except ValueError:
    raise ValueError(
      f'{name} must be a rectangular array of numbers; its rows differ in '
      'length.'
    ) from None
  if not (
    jnp.issubdtype(array.dtype, jnp.floating)
    or jnp.issubdtype(array.dtype, jnp.integer)
    or array.dtype == bool
  ):
    raise ValueError(
      f'{name} must hold real numbers, not values of type {array.dtype}.'
    )
  if isinstance(array, np.ndarray):
    if array.dtype.itemsize > 8:
      return array.astype(np.float64)
    if (
      array.dtype == bool
      or array.dtype.kind not in 'iu'
      and (array.dtype.itemsize < 4)
    ):
      return array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder('='), copy=False)
  return array
