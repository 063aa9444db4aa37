"""Gaussian atoms in a box with open walls: residual, normal equations, filters.

A Gaussian is a product of three 1-D factors, so the density of K atoms, the
gradient of the squared residual and JᵀJ are all matrix products of [K, G]
factors; no Jacobian is formed. The sums are over the voxels of the box, so an
atom outside a wall contributes the part that is inside.
"""

import dataclasses
import functools
import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density import grids
from crystal_jax.density.precision import dot

# Width of the blur of foreground probabilities, Å; labels are balls of 0.65 Å.
# Chosen by hand.
SMOOTH = 0.3


@dataclasses.dataclass(frozen=True)
class BoxSpace:
  """A box and the width of its atoms, a `space.Space`."""

  grid: grids.BoxGrid
  sigma: float

  periodic = False

  def coarse(self) -> bool:
    """As `Space.coarse`."""
    return self.grid.spacing > self.sigma

  def ringing(self) -> float:
    """As `Space.ringing`."""
    return 0.05

  def prepare(self, density: Float[Array, 'G G G']) -> Float[Array, 'R R R']:
    """The density in the subspace that Gaussians span, along each axis.

    The basis is orthonormal, so fits and their noise are the same there. The
    subspace is several times smaller.
    """
    return each_axis(density, _basis(self.grid, self.sigma).T)

  def residual(self, density, target, rest) -> Float[Array, 'G G G']:
    """As `Space.residual`."""
    return density - each_axis(target - rest, _basis(self.grid, self.sigma))

  def squared_residual(
    self,
    target: Float[Array, 'R R R'],
    positions: Float[Array, 'K 3'],
    weights: Float[Array, 'K'],
  ) -> tuple[Array, Float[Array, '4 K'], Array]:
    """As `Space.squared_residual`."""
    factors = self._factors(positions)
    (ex, dx), (ey, dy), (ez, dz) = jnp.moveaxis(factors, 0, 2)  # [R, K] each
    r, k = ex.shape
    plane = (ex * weights[None])[:, None, :] * ey[None]
    model = dot(plane.reshape(r * r, k), ez.T).reshape(target.shape)
    residual = target - model
    both = jnp.concatenate([ez, dz], axis=1)
    lines = dot(residual.reshape(r * r, r), both).reshape(r, r, 2 * k)
    along, slope = lines[..., :k], lines[..., k:]
    value = jnp.sum(along * ey[None], axis=1)
    gx = jnp.sum(value * dx, axis=0)
    gy = jnp.sum(jnp.sum(along * dy[None], axis=1) * ex, axis=0)
    gz = jnp.sum(jnp.sum(slope * ey[None], axis=1) * ex, axis=0)
    gradient = [gx * weights, gy * weights, gz * weights]
    gradient.append(jnp.sum(value * ex, axis=0))
    return jnp.sum(residual**2), jnp.stack(gradient), residual

  def normal(
    self, positions: Float[Array, 'K 3'], weights: Float[Array, 'K']
  ) -> Float[Array, '4*K 4*K']:
    """As `Space.normal`."""
    tables = []
    for value, slope in jnp.moveaxis(self._factors(positions), 0, 2):
      sv = dot(slope.T, value)  # three products, faster than one of them all
      vv, ss = dot(value.T, value), dot(slope.T, slope)
      tables.append({(0, 0): vv, (1, 0): sv, (0, 1): sv.T, (1, 1): ss})

    def block(p, q):
      x, y, z = (t[p == axis, q == axis] for axis, t in enumerate(tables))
      return x * y * z

    return assemble_normal(block, weights)

  def peak(self, width: float | None = None) -> float:
    """As `Space.peak`."""
    return (2 * np.pi * (width or self.sigma) ** 2) ** -1.5

  def _factors(self, positions) -> Float[Array, 'R 3 2 K']:
    """1-D Gaussians of each axis, and their slopes by the position."""
    axis = jnp.asarray(self.grid.axis(), positions.dtype)
    offsets = (axis[:, None, None] - positions.T[None]) / self.sigma
    values = jnp.exp(-0.5 * offsets**2) * self.peak() ** (1 / 3)
    slopes = values * offsets / self.sigma
    both = jnp.stack([values, slopes], axis=2)
    basis = jnp.asarray(_basis(self.grid, self.sigma).T, positions.dtype)
    lines = dot(basis, both.reshape(len(axis), -1))
    return lines.reshape(len(basis), *both.shape[1:])

  def correlate(self, residual: Float[Array, 'G G G']) -> Array:
    """As `Space.correlate`: exact away from walls, at points about σ apart."""
    axis = np.arange(self.grid.size) * self.grid.spacing / self.sigma
    sparse = axis[:: max(1, int(self.sigma / self.grid.spacing))]
    g = np.exp(-0.5 * (sparse[:, None] - axis[None]) ** 2)
    norm = np.sqrt(np.pi) * self.sigma / self.grid.spacing  # g ⋆ g, an axis
    return each_axis(residual, g / norm * self.peak() ** (-1 / 3))

  def smooth(self, field: Float[Array, 'G G G']) -> Array:
    """As `Space.smooth`."""
    axis = np.arange(self.grid.size) * self.grid.spacing
    blur = np.exp(-0.5 * ((axis[:, None] - axis[None]) / SMOOTH) ** 2)
    return each_axis(field, blur / blur.sum(axis=1, keepdims=True))

  def margin(self) -> int:
    """As `Space.margin`."""
    return int(np.ceil(2 * self.sigma / self.grid.spacing))

  def sharpen(self, density, levels, level):
    """As `Space.sharpen`: ridge regression on lines that extend past the walls.

    [H, H, H] of [G, G, G], H = G + 2 `margin`.
    """
    filters = np.stack([self._inverse_blur(*one) for one in levels])
    return each_axis(density, jnp.asarray(filters, density.dtype)[level])

  def gain(self, width: float, ridge: float) -> float:
    """As `Space.gain`."""
    rows = np.sum(self._inverse_blur(width, ridge) ** 2, axis=1)
    return np.mean(rows) ** 1.5

  def _inverse_blur(self, width, ridge):
    """[H, G]: the inverse of the blur by √(σ² - width²), regularized."""
    h, margin = self.grid.spacing, self.margin()
    wide = np.arange(-margin, self.grid.size + margin) * h
    axis = np.arange(self.grid.size) * h
    var = abs(self.sigma**2 - width**2)
    blur = np.exp(-0.5 * (axis[:, None] - wide[None]) ** 2 / var)
    blur *= h / np.sqrt(2 * np.pi * var)
    if width > self.sigma:
      return blur.T
    normal = blur.T @ blur + ridge * np.eye(len(wide))
    return np.linalg.solve(normal, blur.T)

  def locate(self, index: Float[Array, 'K 3']) -> Float[Array, 'K 3']:
    """As `Space.locate`."""
    corner = self.grid.length / 2 - 0.5 * self.grid.spacing
    return (index - self.margin()) * self.grid.spacing - corner

  def voxel(self, positions: Float[Array, 'K 3']) -> Array:
    """As `Space.voxel`."""
    index = (positions + self.grid.length / 2) / self.grid.spacing - 0.5
    index = jnp.round(index).astype(jnp.int32)
    return jnp.clip(index, 0, self.grid.size - 1)

  def distances(self, a: Float[Array, 'K 3'], b: Float[Array, 'L 3']) -> Array:
    """As `Space.distances`."""
    return jnp.sqrt(jnp.sum((a[:, None] - b[None]) ** 2, axis=-1))

  def fold(self, positions):
    """As `Space.fold`: unchanged."""
    return positions

  def inside(self, positions: Float[Array, 'K 3'], beyond=0.0) -> Array:
    """As `Space.inside`."""
    wall = self.grid.length / 2 + beyond
    return jnp.all(jnp.abs(positions) <= wall, axis=-1)


@functools.cache
def _basis(grid: grids.BoxGrid, sigma: float) -> np.ndarray:
  """[G, R]: 1-D Gaussians near the box to 3e-6 of their peak."""
  half = grid.length / 2 + 2.5 * sigma
  axis = (np.arange(grid.size) + 0.5) * grid.spacing - grid.length / 2
  centers = np.arange(-half, half, sigma / 16)
  lines = np.exp(-0.5 * ((axis[:, None] - centers[None]) / sigma) ** 2)
  basis, sizes, _ = np.linalg.svd(lines, full_matrices=False)
  rest = lines.copy()
  for rank in range(len(sizes)):
    if np.abs(rest).max() < 3e-6:
      return basis[:, :rank]
    rest -= np.outer(basis[:, rank], basis[:, rank] @ lines)
  return basis


def assemble_normal(block, weights) -> Float[Array, '4*K 4*K']:
  """JᵀJ from the [K, K] blocks for weight one of each pair of parameters."""
  upper = {}
  for p, q in itertools.combinations_with_replacement(range(4), 2):
    b = block(p, q)
    b = b * weights[:, None] if p < 3 else b
    upper[p, q] = b * weights[None] if q < 3 else b
  rows = [
    [upper[p, q] if p <= q else upper[q, p].T for q in range(4)]
    for p in range(4)
  ]
  return jnp.block(rows)


def each_axis(field, matrix) -> Float[Array, 'H H H']:
  """[H, G] along each of the three axes."""
  matrix = jnp.asarray(matrix, field.dtype)
  h, g = matrix.shape
  for _ in range(3):  # each pass filters the last axis and moves it in front
    field = dot(matrix, field.reshape(-1, g).T).reshape(h, *field.shape[:2])
  return field
