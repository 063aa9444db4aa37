"""Band-limited Gaussians of height one on a periodic cube, and their fit.

The occupancy of K atoms is Σ_k g(x - x_k) g(y - y_k) g(z - z_k): each atom is a
product of three factors, one an axis. A factor g is a periodic Gaussian without
the frequencies that the grid cannot resolve. Lengths are in voxels.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


class Factors(NamedTuple):
  """Factors of K atoms along each axis, at each of G voxels.

  Attributes:
    values: The factors.
    slopes: Derivatives of the factors by the atom's position.
  """

  values: Float[Array, '3 K G']
  slopes: Float[Array, '3 K G']


def residual_field(
  field: Float[Array, 'G G G'],
  positions: Float[Array, 'K 3'],
  filled: Bool[Array, 'K'],
  sigma: float,
) -> tuple[Float[Array, 'G G G'], Factors]:
  """A field minus the occupancy of atoms, and the factors of all slots.

  Args:
    field: The field.
    positions: Positions of the atoms, voxels.
    filled: Which slots hold an atom.
    sigma: Standard deviation of an atom, voxels.
  """
  size = len(field)
  coefficients = cosine_coefficients(size, sigma)
  frequencies = 2 * np.pi / size * np.arange(len(coefficients))  # per voxel
  grid = jnp.arange(size, dtype=field.dtype)
  offsets = grid[None, None] - positions.T[:, :, None]  # [3, K, G]
  waves = jnp.asarray(frequencies, field.dtype)[None, None, None]
  angles = offsets[..., None] * waves
  values = jnp.cos(angles) @ jnp.asarray(coefficients, field.dtype)
  slopes = jnp.sin(angles) @ jnp.asarray(
    coefficients * frequencies, field.dtype
  )
  x, y, z = values
  occupancy = jnp.einsum('kx,ky,kz->xyz', x * filled[:, None], y, z)
  return field - occupancy, Factors(values, slopes)


def newton_steps(
  residual: Float[Array, 'G G G'], factors: Factors
) -> Float[Array, 'K 3']:
  """Gauss-Newton step of each coordinate on the squared residual, voxels.

  Each step is taken as if all other coordinates were fixed.
  """
  (x, y, z), (dx, dy, dz) = factors
  derivatives = (dx, y, z), (x, dy, z), (x, y, dz)
  gradient = [_inner(residual, *each) for each in derivatives]
  curvature = [
    jnp.sum(a**2, -1) * jnp.sum(b**2, -1) * jnp.sum(c**2, -1)
    for a, b, c in derivatives
  ]
  return jnp.stack(gradient, -1) / jnp.stack(curvature, -1)


def fitted_heights(
  field: Float[Array, 'G G G'], factors: Factors, filled: Bool[Array, 'K']
) -> Float[Array, 'K']:
  """Least-squares heights of all atoms of a field; 0 in empty slots."""
  values = factors.values * filled[None, :, None]
  overlaps = jnp.prod(jnp.einsum('akg,alg->akl', values, values), axis=0)
  # Makes coinciding atoms and empty slots solvable.
  ridge = jnp.where(filled, 1e-3 * jnp.max(overlaps), 1.0)
  return jnp.linalg.solve(overlaps + jnp.diag(ridge), _inner(field, *values))


def sharpening_filter(
  size: int, sigma: float, width: float, ridge: float
) -> Float[np.ndarray, 'G G H']:
  """Wiener filter that narrows atoms and keeps their height at one.

  Args:
    size: Voxels a side, G.
    sigma: Standard deviation of an atom, voxels.
    width: Standard deviation of a filtered atom, in `sigma`.
    ridge: Ridge of the filter; limits the amplification of noise.

  Returns:
    Factors of the Fourier coefficients of `rfftn`.
  """
  wide, narrow = spectrum(size, sigma), spectrum(size, width * sigma)
  blur = np.divide(wide, narrow, where=narrow > 0, out=np.zeros_like(wide))
  blur, atom = _outer_cube(blur), _outer_cube(wide)
  gain = blur / (blur**2 + ridge)
  # The height of an atom is the sum of its Fourier coefficients.
  gain = gain * atom.sum() / (gain * atom).sum()
  return gain[..., : size // 2 + 1]


def cosine_coefficients(size: int, sigma: float) -> Float[np.ndarray, 'W']:
  """Coefficients c of a factor, g(x) = Σ_w c[w] cos(2π w x / size)."""
  half = spectrum(size, sigma)[: size // 2 + 1] * np.sqrt(2 * np.pi)
  both_signs = np.where(np.arange(len(half)) == 0, 1, 2)
  return half * sigma / size * both_signs


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


def _inner(field, x, y, z):
  """Inner product of the field with each product of factors, [K]."""
  planes = jnp.einsum('xyz,kz->kxy', field, z)
  return jnp.einsum('kxy,kx,ky->k', planes, x, y)


def _outer_cube(line):
  """Outer product of a line with itself along three axes."""
  return line[:, None, None] * line[None, :, None] * line[None, None]
