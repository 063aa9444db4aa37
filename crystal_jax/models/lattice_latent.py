"""Whitened lattice numbers: six independent latent numbers of variance one.

A network gets a lattice as six numbers (`representation.lattice_numbers`): log
lengths and cosines of angles. Their errors are counted in `UNITS`, 0.3 % of a
length and 0.3 degrees of an angle. The six are whitened with the mean and
covariance of the training set, and decoded by the inverse map; nothing is
learnt. A standard deviation below one unit counts as one unit, because a data
set may have a single shape of cell (Perov-5 is all cubic).

The posterior is the optimal one of a decoder whose standard deviation is one
unit: with x = mean + Σ_i axis_i size_i z_i in units and
-log p(x|z) = |x - x(z)|²/2, q(z_i) = N(z_i, 1 / (1 + size_i²)).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# 0.3 % of a length, and 0.3 degrees of an angle of 90 degrees, as a cosine.
UNITS = np.array([3e-3] * 3 + [np.radians(0.3)] * 3, np.float32)

_BLOCK = 1 << 16  # Lattices per step of `Whitening.fit`.


class Whitening(NamedTuple):
  """Map of lattice numbers to independent ones of variance one, and back.

  Attributes:
    mean: Mean of the six numbers.
    axes: Principal axes as rows, orthonormal, in `UNITS`.
    sizes: Standard deviation along each axis, in `UNITS`.
  """

  mean: Float[Array | np.ndarray, '6']
  axes: Float[Array | np.ndarray, '6 6']
  sizes: Float[Array | np.ndarray, '6']

  @classmethod
  def fit(cls, numbers: Float[np.ndarray, 'M 6'] | None) -> Whitening:
    """The whitening of a training set.

    Args:
      numbers: Lattice numbers; may be mapped from a file. None: a wide
        distribution around 6 Å and 90°.
    """
    if numbers is None:
      default = np.log([6, 6, 6, 1, 1, 1]).astype(np.float32)
      spread = np.full(6, 100, np.float32)
      return cls(default, np.eye(6, dtype=np.float32), spread)
    count = len(numbers)
    blocks = [slice(i, i + _BLOCK) for i in range(0, count, _BLOCK)]
    mean, squares = np.zeros(6), np.zeros((6, 6))
    for block in blocks:
      mean += np.sum(numbers[block], axis=0, dtype=np.float64) / count
    for block in blocks:
      units = (np.asarray(numbers[block], np.float64) - mean) / UNITS
      squares += units.T @ units
    variances, axes = np.linalg.eigh(squares / count)
    sizes, axes = np.sqrt(np.maximum(variances, 0.0)), axes.T
    sizes = np.maximum(sizes, 1.0)
    return cls(*(np.asarray(x, np.float32) for x in (mean, axes, sizes)))

  def whiten(self, numbers: Float[Array, 'B 6']) -> Float[Array, 'B 6']:
    """Whitened lattice numbers."""
    units = (numbers - self.mean[None]) / UNITS[None]
    return (
      jnp.matmul(units, self.axes.T, precision='highest') / self.sizes[None]
    )

  def unwhiten(self, z: Float[Array, 'B 6']) -> Float[Array, 'B 6']:
    """Lattice numbers from whitened ones."""
    units = jnp.matmul(z * self.sizes[None], self.axes, precision='highest')
    return units * UNITS[None] + self.mean[None]

  @property
  def log_var(self) -> Float[Array, '6']:
    """Log variance of the posterior; see the module."""
    return -jnp.log1p(jnp.square(self.sizes))
