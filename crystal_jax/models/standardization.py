"""Per-dimension standardization, fitted on a training set and not learnt."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

# Rows that are read at once; the columns may be mapped from files.
_BLOCK = 1 << 14
# Smallest standard deviation; dimensions that vary less are only centred.
_SMALLEST = 1e-6


class Standardization(NamedTuple):
  """Map of each dimension to mean zero and variance one.

  As a parameter it is a dict of its two fields (`_asdict`), so that it is saved
  with the networks; `of` reads it back without a gradient.

  Attributes:
    mean: Mean of each dimension.
    deviation: Standard deviation of each dimension.
  """

  mean: Float[Array | np.ndarray, 'D']
  deviation: Float[Array | np.ndarray, 'D']

  @classmethod
  def fit(
    cls,
    values: Float[np.ndarray, 'M D'],
    noise: Float[np.ndarray, 'M D'] | None = None,
  ) -> Standardization:
    """The standardization of a training set.

    Args:
      values: The training set; NaN where a value is missing.
      noise: Standard deviations of Gaussian noise on each value, as of samples
        of posteriors with these means; None: no noise.
    """
    total = squares = count = np.zeros(values.shape[1])
    blocks = [slice(i, i + _BLOCK) for i in range(0, len(values), _BLOCK)]
    for block in blocks:
      count = count + np.isfinite(values[block]).sum(0)
      total = total + np.nansum(values[block], axis=0, dtype=np.float64)
    mean = total / np.maximum(count, 1)
    for block in blocks:
      centred = np.asarray(values[block], np.float64) - mean
      squares = squares + np.nansum(np.square(centred), axis=0)
      if noise is not None:
        squares = squares + np.square(noise[block], dtype=np.float64).sum(0)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    deviation = np.where(deviation > _SMALLEST, deviation, 1.0)
    return cls(mean.astype(np.float32), deviation.astype(np.float32))

  @classmethod
  def identity(cls, size: int) -> Standardization:
    """The identity: mean zero and deviation one, without data."""
    return cls(np.zeros(size, np.float32), np.ones(size, np.float32))

  @classmethod
  def of(cls, params: PyTree) -> Standardization:
    """The standardization among the parameters, without gradient."""
    return cls(**jax.lax.stop_gradient(params))

  def apply(self, values: Float[Array, 'B D']) -> Float[Array, 'B D']:
    """Standardized values."""
    return (values - self.mean[None]) / self.deviation[None]

  def invert(self, values: Float[Array, 'B D']) -> Float[Array, 'B D']:
    """Values from standardized ones."""
    return values * self.deviation[None] + jnp.asarray(self.mean)[None]
