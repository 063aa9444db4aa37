"""The lattice's part of a latent: six independent numbers of variance one.

A network is given a lattice as six numbers: logarithms of the lengths (Å) and
cosines of the angles. Errors of them are counted in `UNITS`, 0.3 % of a length
and 0.3 degrees. There is nothing to learn in between: the six are whitened on
the training set, and the way back is the inverse. Along each direction a
deviation below one unit counts as one, for a set may have but one shape
(Perov-5 is all cubic).

For a decoder that is charged one unit as one deviation the best posterior is
known: with x = mean + Σ_i axis_i size_i z_i in units, -log p(x|z) =
|x - x(z)|²/2, so that q(z_i) = N(z_i, 1 / (1 + size_i²)).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# 0.3 % of a length; 0.3 degrees as a cosine, at right angles.
UNITS = np.array([3e-3] * 3 + [np.radians(0.3)] * 3, np.float32)


class Whitening(NamedTuple):
  """Six lattice numbers to six independent ones, and back.

  Attributes:
    mean: Of the six numbers.
    axes: Rows are directions, orthonormal, in `UNITS`.
    sizes: Deviation along each, in `UNITS`.
  """

  mean: Float[Array | np.ndarray, '6']
  axes: Float[Array | np.ndarray, '6 6']
  sizes: Float[Array | np.ndarray, '6']

  @classmethod
  def fit(cls, numbers: Float[np.ndarray, 'M 6'] | None) -> Whitening:
    """Of the lattices of a training set.

    None: lattices of 6 Å and 90 degrees, give or take.
    """
    if numbers is None:
      mean = np.log([6, 6, 6, 1, 1, 1]).astype(np.float32)
      sizes = np.full(6, 100, np.float32)
      return cls(mean, np.eye(6, dtype=np.float32), sizes)
    numbers = np.asarray(numbers, np.float64)
    mean = np.mean(numbers, axis=0)
    units = (numbers - mean) / UNITS
    variances, axes = np.linalg.eigh(units.T @ units / len(units))
    sizes, axes = np.sqrt(np.maximum(variances, 0.0)), axes.T
    sizes = np.maximum(sizes, 1.0)
    return cls(*(np.asarray(x, np.float32) for x in (mean, axes, sizes)))

  def whiten(self, numbers: Float[Array, 'B 6']) -> Float[Array, 'B 6']:
    """Six numbers to z."""
    units = (numbers - self.mean[None]) / UNITS[None]
    return (
      jnp.matmul(units, self.axes.T, precision='highest') / self.sizes[None]
    )

  def unwhiten(self, z: Float[Array, 'B 6']) -> Float[Array, 'B 6']:
    """Z to six numbers."""
    units = jnp.matmul(z * self.sizes[None], self.axes, precision='highest')
    return units * UNITS[None] + self.mean[None]

  @property
  def log_var(self) -> Float[Array, '6']:
    """Of the posterior of z; see above."""
    return -jnp.log1p(jnp.square(self.sizes))
