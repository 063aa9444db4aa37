"""Sums of Gaussians and their normal equations, without a Jacobian.

A refit needs three things of the atoms' density M(p), p = (x, y, z, w) an
atom: the misfit r = D - M, the gradient Jᵀr and the normal matrix JᵀJ. In a
box a Gaussian is a product of three 1-D factors, so all three are small matrix
products. On a cell grid the density is a short Fourier sum, and JᵀJ is the
overlap of two Gaussians, a Gaussian √2 wider, summed over images.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax import grids


def misfit(density, positions, weights, cell, *, grid, sigma):
  """The density that the atoms leave unexplained, and its gradient.

  Args:
    density: [G, G, G], weight per Å³.
    positions: [K, 3], Å.
    weights: [K]; zero in empty slots.
    cell: [3, 3], Å; used by a CellGrid only.
    grid: Where the density is sampled.
    sigma: Width of an atom, Å.

  Returns:
    The residual [G, G, G], and Jᵀr [K, 4] for (x, y, z, w).
  """
  if isinstance(grid, grids.BoxGrid):
    return _box_misfit(density, positions, weights, grid, sigma)
  return _cell_misfit(density, positions, weights, cell, grid, sigma)


def normal_matrix(positions, weights, cell, *, grid, sigma):
  """JᵀJ [K, 4, K, 4] for the parameters (x, y, z, w) of each atom."""
  if isinstance(grid, grids.BoxGrid):
    return _box_normal(positions, weights, grid, sigma)
  return _cell_normal(positions, weights, cell, grid, sigma)


def peak(sigma: float) -> float:
  """Height of an atom of weight one, per Å³."""
  return (2 * np.pi * sigma**2) ** -1.5


def _factors(positions, grid, sigma):
  """1-D Gaussians [3, K, G] and their derivatives by the atom's place."""
  axis = grid.axis().astype(positions.dtype)
  x = (axis[None, None, :] - positions.T[:, :, None]) / sigma
  value = jnp.exp(-0.5 * x**2) * peak(sigma) ** (1 / 3)
  return value, value * x / sigma


def _box_misfit(density, positions, weights, grid, sigma):
  (ex, ey, ez), (dx, dy, dz) = _factors(positions, grid, sigma)
  g, k = grid.size, positions.shape[0]
  plane = (ex * weights[:, None]).T[:, None, :] * ey.T[None, :, :]
  model = plane.reshape(g * g, k) @ ez
  residual = density - model.reshape(grid.shape)
  both = jnp.concatenate([ez, dz]).T  # [G, 2K]
  lines = (residual.reshape(g * g, g) @ both).reshape(g, g, 2, k)
  along, slope = lines[:, :, 0], lines[:, :, 1]
  value = jnp.sum(along * ey.T[None], axis=1)
  gw = jnp.sum(value * ex.T, axis=0)
  gx = jnp.sum(value * dx.T, axis=0)
  gy = jnp.sum(jnp.sum(along * dy.T[None], axis=1) * ex.T, axis=0)
  gz = jnp.sum(jnp.sum(slope * ey.T[None], axis=1) * ex.T, axis=0)
  gradient = jnp.stack([gx * weights, gy * weights, gz * weights, gw], axis=-1)
  return residual, gradient


def _box_normal(positions, weights, grid, sigma):
  value, slope = _factors(positions, grid, sigma)
  vv = jnp.einsum('amg,ang->amn', value, value)
  sv = jnp.einsum('amg,ang->amn', slope, value)  # slope of the first atom
  ss = jnp.einsum('amg,ang->amn', slope, slope)
  vs = jnp.swapaxes(sv, 1, 2)

  def block(p, q):
    product = 1.0
    for axis in range(3):
      table = {(0, 0): vv, (1, 0): sv, (0, 1): vs, (1, 1): ss}
      product = product * table[int(p == axis), int(q == axis)][axis]
    product = product * (weights[:, None] if p < 3 else 1.0)
    return product * (weights[None, :] if q < 3 else 1.0)

  return _blocks(block)


def _blocks(block):
  """[K, 4, K, 4] from the [K, K] block of each pair of parameters."""
  upper = {(p, q): block(p, q) for p in range(4) for q in range(p, 4)}
  rows = [
    jnp.stack(
      [upper[p, q] if p <= q else upper[q, p].T for q in range(4)], axis=-1
    )
    for p in range(4)
  ]
  return jnp.stack(rows, axis=1)


def _cell_misfit(density, positions, weights, cell, grid, sigma):
  n = grid.shape
  inverse = jnp.linalg.inv(cell)
  fractional = positions @ inverse
  orders = [np.fft.fftfreq(m, 1 / m) for m in n[:2]]
  orders.append(np.arange(n[2] // 2 + 1))
  waves = [jnp.asarray(o, positions.dtype) for o in orders]
  damping = gaussian_spectrum(cell, n, sigma).astype(positions.dtype)
  damping = damping / jnp.abs(jnp.linalg.det(cell))
  ex, ey, ez = (
    jnp.exp(-2j * jnp.pi * fractional[:, i : i + 1] * waves[i][None, :])
    for i in range(3)
  )
  k = positions.shape[0]
  plane = (ex * weights[:, None]).T[:, None, :] * ey.T[None, :, :]
  model = (plane.reshape(-1, k) @ ez).reshape(damping.shape) * damping
  model = jnp.fft.irfftn(model, s=n, axes=(0, 1, 2)) * np.prod(n)
  residual = density - model
  spectrum = jnp.fft.rfftn(residual) * damping
  twice = np.full(n[2] // 2 + 1, 2.0)
  twice[0] = 1.0
  if n[2] % 2 == 0:
    twice[-1] = 1.0
  spectrum = spectrum * jnp.asarray(twice, positions.dtype)[None, None, :]
  conj = jnp.conj(ez)
  both = jnp.concatenate([conj, conj * waves[2][None, :]]).T
  lines = (spectrum.reshape(-1, both.shape[0]) @ both).reshape(n[0], n[1], 2, k)
  along, slope = lines[:, :, 0], lines[:, :, 1]
  cy, cx = jnp.conj(ey).T, jnp.conj(ex).T
  value = jnp.sum(along * cy[None], axis=1)
  gw = jnp.sum(value * cx, axis=0).real
  wx, wy = waves[0][:, None], waves[1][:, None]
  gx = jnp.sum(value * cx * wx, axis=0)
  gy = jnp.sum(jnp.sum(along * (cy * wy)[None], axis=1) * cx, axis=0)
  gz = jnp.sum(jnp.sum(slope * cy[None], axis=1) * cx, axis=0)
  # d/df of exp(2πi k f) brings 2πi k; the real part of i z is -Im z.
  slopes = -2 * jnp.pi * jnp.stack([gx, gy, gz], axis=-1).imag
  slopes = slopes @ inverse.T * weights[:, None]
  return residual, jnp.concatenate([slopes, gw[:, None]], axis=-1)


def gaussian_spectrum(cell, shape, sigma):
  """exp(-σ²|G|²/2) at the reciprocal vectors of a real FFT of `shape`."""
  reciprocal = 2 * jnp.pi * jnp.linalg.inv(cell).T  # rows
  metric = reciprocal @ reciprocal.T
  a = jnp.asarray(np.fft.fftfreq(shape[0], 1 / shape[0]))[:, None, None]
  b = jnp.asarray(np.fft.fftfreq(shape[1], 1 / shape[1]))[None, :, None]
  c = jnp.arange(shape[2] // 2 + 1)[None, None, :]
  square = (
    metric[0, 0] * a**2
    + metric[1, 1] * b**2
    + metric[2, 2] * c**2
    + 2 * (metric[0, 1] * a * b + metric[0, 2] * a * c + metric[1, 2] * b * c)
  )
  return jnp.exp(-0.5 * sigma**2 * square)


# Images of a pair that can overlap: two cells either way, after wrapping.
_IMAGES = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))


def _cell_normal(positions, weights, cell, grid, sigma):
  voxel = jnp.abs(jnp.linalg.det(cell)) / np.prod(grid.shape)
  norm = (4 * np.pi * sigma**2) ** -1.5 / voxel
  fractional = positions @ jnp.linalg.inv(cell)
  apart = fractional[:, None] - fractional[None, :]
  apart = (apart - jnp.round(apart)) @ cell
  images = jnp.asarray(_IMAGES, positions.dtype) @ cell

  def add(total, image):
    d = apart + image[None, None, :]
    overlap = norm * jnp.exp(-jnp.sum(d**2, axis=-1) / (4 * sigma**2))
    u = d / (2 * sigma**2)
    bend = jnp.eye(3, dtype=d.dtype)[None, None] / (2 * sigma**2)
    bend = (bend - u[..., :, None] * u[..., None, :]) * overlap[..., None, None]
    return (
      total[0] + overlap,
      total[1] - u * overlap[..., None],
      total[2] + bend,
    ), None

  k = positions.shape[0]
  zero = [jnp.zeros((k, k) + s, positions.dtype) for s in ((), (3,), (3, 3))]
  (overlap, slope, bend), _ = jax.lax.scan(add, tuple(zero), images)

  def block(p, q):
    if p == 3 and q == 3:
      return overlap
    if q == 3:
      return slope[..., p] * weights[:, None]
    return bend[..., p, q] * weights[:, None] * weights[None, :]

  return _blocks(block)


def correlate(
  residual: Float[Array, 'G G G'], cell, *, grid, sigma: float
) -> Float[Array, 'G G G']:
  """Weight that one atom at each voxel would take of the residual alone.

  The matched filter: g ⋆ r / g ⋆ g, exact away from walls.
  """
  if isinstance(grid, grids.BoxGrid):
    axis = (np.arange(grid.size) + 0.5) * grid.spacing
    g = np.exp(-0.5 * ((axis[:, None] - axis[None, :]) / sigma) ** 2)
    norm = np.sqrt(np.pi) * sigma / grid.spacing
    g = jnp.asarray(g / norm * (2 * np.pi * sigma**2) ** 0.5, residual.dtype)
    return separable(residual, g)
  shape = grid.shape
  spectrum = jnp.fft.rfftn(residual) * gaussian_spectrum(cell, shape, sigma)
  scale = (4 * np.pi * sigma**2) ** 1.5
  return jnp.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2)) * scale


def separable(
  field: Float[Array, 'G G G'], matrix: Float[Array, 'H G']
) -> Float[Array, 'H H H']:
  """`matrix` along each of the three axes."""
  for _ in range(3):  # each pass filters the last axis and moves it in front
    h, g = matrix.shape
    lines = matrix @ field.reshape(-1, g).T
    field = lines.reshape(h, *field.shape[:2])
  return field
