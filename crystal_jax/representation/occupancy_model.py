"""Band-limited Gaussians of height one on a periodic cube, and their fit.

The occupancy of K atoms is Σ_k g(x - x_k) g(y - y_k) g(z - z_k): each atom is a
product of three periodic factors, without the frequencies that the grid cannot
resolve. Lengths are in voxels.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


class Factors(NamedTuple):
  """Factors of atoms along each axis, and their slopes.

  Attributes:
    values: The factors.
    slopes: Their derivatives by the atom's position.
  """

  values: Float[Array, '3 K G']
  slopes: Float[Array, '3 K G']


def residual_field(
  field: Float[Array, 'G G G'],
  positions: Float[Array, 'K 3'],
  filled: Bool[Array, 'K'],
  sigma: float,
) -> tuple[Float[Array, 'G G G'], Factors]:
  """A field minus the occupancy of atoms, and the atoms' factors."""
  size = len(field)
  waves = np.fft.fftfreq(size, 1 / size)[: size // 2 + 1]
  heights = spectrum(size, sigma)[: size // 2 + 1] * np.sqrt(2 * np.pi)
  heights = heights * sigma / size * np.where(waves == 0, 1, 2)
  phase = 2 * np.pi / size * waves
  grid = jnp.arange(size, dtype=field.dtype)
  offsets = grid[None, None] - positions.T[:, :, None]  # [3, K, G]
  angle = offsets[..., None] * jnp.asarray(phase, field.dtype)[None, None, None]
  values = jnp.cos(angle) @ jnp.asarray(heights, field.dtype)
  slopes = jnp.sin(angle) @ jnp.asarray(heights * phase, field.dtype)
  x, y, z = values
  model = jnp.einsum('kx,ky,kz->xyz', x * filled[:, None], y, z)
  return field - model, Factors(values, slopes)


def newton_steps(
  residual: Float[Array, 'G G G'], factors: Factors
) -> Float[Array, 'K 3']:
  """Newton step of each atom on the squared residual, the others fixed."""
  (x, y, z), (dx, dy, dz) = factors
  products = (dx, y, z), (x, dy, z), (x, y, dz)
  gradient = [_contract(residual, *product) for product in products]
  curvature = [
    jnp.sum(a**2, -1) * jnp.sum(b**2, -1) * jnp.sum(c**2, -1)
    for a, b, c in products
  ]
  return jnp.stack(gradient, -1) / jnp.stack(curvature, -1)


def fitted_heights(
  field: Float[Array, 'G G G'], factors: Factors, filled: Bool[Array, 'K']
) -> Float[Array, 'K']:
  """Least-squares heights of all atoms of a field."""
  values = factors.values * filled[None, :, None]
  overlaps = jnp.prod(jnp.einsum('akg,alg->akl', values, values), axis=0)
  ridge = jnp.where(filled, 1e-3 * jnp.max(overlaps), 1.0)
  return jnp.linalg.solve(overlaps + jnp.diag(ridge), _contract(field, *values))


def sharpening_filter(
  size: int, sigma: float, width: float, ridge: float
) -> Float[np.ndarray, 'G G H']:
  """Wiener filter whose atoms have height one and `width` times the width.

  Args:
    size: Voxels a side, G.
    sigma: Standard deviation of an atom, voxels.
    width: Width after sharpening, in `sigma`.
    ridge: Ridge of the filter; limits the amplification of noise.

  Returns:
    Factors of the Fourier coefficients of `rfftn`.
  """
  wide, narrow = spectrum(size, sigma), spectrum(size, width * sigma)
  blur = _outer(np.divide(wide, narrow, where=narrow > 0, out=0 * wide))
  gain = blur / (blur**2 + ridge)
  gain = gain * _outer(wide).sum() / (gain * _outer(wide)).sum()
  return gain[..., : size // 2 + 1]


def spectrum(size: int, sigma: float) -> Float[np.ndarray, 'G']:
  """Spectrum of a Gaussian of sum one, as `fft` orders it; 0 at Nyquist."""
  waves = np.fft.fftfreq(size)
  return np.exp(-2 * (np.pi * sigma * waves) ** 2) * (np.abs(waves) < 0.5)


def distances(
  a: Float[Array, 'K 3'], b: Float[Array, 'L 3'], size: int
) -> Float[Array, 'K L']:
  """Distances to the nearest periodic image, voxels."""
  offsets = a[:, None] - b[None]
  offsets -= size * jnp.round(offsets / size)
  return jnp.sqrt(jnp.sum(offsets**2, axis=-1))


def _contract(field, x, y, z):
  """Sum over the field of its product with each atom's factors, [K]."""
  planes = jnp.einsum('xyz,kz->kxy', field, z)
  return jnp.einsum('kxy,kx,ky->k', planes, x, y)


def _outer(line):
  """Outer product of a line with itself along three axes."""
  return line[:, None, None] * line[None, :, None] * line[None, None]
