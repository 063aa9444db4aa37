"""Gaussian atoms in a box with open walls: misfit, normal equations, filters.

A Gaussian is a product of three 1-D factors, so the density of K atoms, the
gradient of a misfit and JᵀJ are all matrix products of [K, G] factors; no
Jacobian is formed. The sums are over the voxels there are, so an atom outside
a wall counts with the part that shines in.
"""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density import grids
from crystal_jax.density.exact_sums import dot

# Width that maps of species are blurred with, Å: labels are balls of 0.65 Å.
SMOOTH = 0.3


@dataclasses.dataclass(frozen=True)
class BoxSpace:
  """A box and the width of its atoms; what a `CellSpace` is for a cell."""

  grid: grids.BoxGrid
  sigma: float

  periodic = False

  def coarse(self) -> bool:
    """Whether voxels lie farther apart than σ."""
    return self.grid.spacing > self.sigma

  def ringing(self) -> float:
    """Height of the ringing around a sharpened atom, of its peak."""
    return 0.05

  def prepare(self, density: Float[Array, 'G G G']) -> Float[Array, 'R R R']:
    """The density in the subspace that Gaussians span, along each axis.

    The basis is orthonormal, so fits and their noise are the same there, and
    it is several times smaller.
    """
    return each_axis(density, self._basis().T)

  def residual(self, density, target, left) -> Float[Array, 'G G G']:
    """What a fit left unexplained, on the grid.

    Args:
      density: On the grid.
      target: What `prepare` made of it.
      left: What `misfit` left of that.
    """
    return density - each_axis(target - left, self._basis())

  def _basis(self) -> np.ndarray:
    """[G, R]: 1-D Gaussians near the box to 3e-6 of their peak."""
    g, half = self.grid.size, self.grid.length / 2 + 2.5 * self.sigma
    axis = (np.arange(g) + 0.5) * self.grid.spacing - self.grid.length / 2
    centers = np.arange(-half, half, self.sigma / 16)
    lines = np.exp(-0.5 * ((axis[:, None] - centers[None]) / self.sigma) ** 2)
    basis, sizes, _ = np.linalg.svd(lines, full_matrices=False)
    rest = lines.copy()
    for rank in range(len(sizes)):
      if np.abs(rest).max() < 3e-6:
        return basis[:, :rank]
      rest -= np.outer(basis[:, rank], basis[:, rank] @ lines)
    return basis

  def misfit(
    self,
    target: Float[Array, 'R R R'],
    positions: Float[Array, 'K 3'],
    weights: Float[Array, 'K'],
  ) -> tuple[Array, Float[Array, '4 K'], Array]:
    """The squared misfit, half its gradient, and the misfit.

    Returns:
      The sum of squares, -½ of its gradient by (x, y, z, w), and the residual
      in the form of the target.
    """
    (ex, ey, ez), (dx, dy, dz) = self._factors(positions)  # [R, K] each
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
    """JᵀJ, parameters in the order x of all atoms, y, z, w."""
    factors = zip(*self._factors(positions), strict=True)
    tables = []
    for value, slope in factors:
      sv = dot(slope.T, value)
      vv, ss = dot(value.T, value), dot(slope.T, slope)
      tables.append({(0, 0): vv, (1, 0): sv, (0, 1): sv.T, (1, 1): ss})

    def block(p, q):
      x, y, z = (t[p == axis, q == axis] for axis, t in enumerate(tables))
      return x * y * z

    return assemble_normal(block, weights)

  def peak(self, width: float | None = None) -> float:
    """Height of an atom of weight one, per Å³."""
    return (2 * np.pi * (width or self.sigma) ** 2) ** -1.5

  def _factors(self, positions):
    """1-D Gaussians [R, K] of each axis, and their slopes by the place."""
    axis = self.grid.axis().astype(positions.dtype)
    offsets = [(axis[:, None] - x[None]) / self.sigma for x in positions.T]
    norm = self.peak() ** (1 / 3)
    values = [jnp.exp(-0.5 * x**2) * norm for x in offsets]
    slopes = [v * x / self.sigma for v, x in zip(values, offsets, strict=True)]
    basis = jnp.asarray(self._basis().T, positions.dtype)
    return [dot(basis, v) for v in values], [dot(basis, s) for s in slopes]

  def correlate(self, residual: Float[Array, 'G G G']) -> Array:
    """Weight that one atom would take of the residual alone, here and there.

    The matched filter g ⋆ r / g ⋆ g, exact away from walls, at points about σ
    apart.
    """
    axis = np.arange(self.grid.size) * self.grid.spacing / self.sigma
    sparse = axis[:: max(1, int(self.sigma / self.grid.spacing))]
    g = np.exp(-0.5 * (sparse[:, None] - axis[None]) ** 2)
    norm = np.sqrt(np.pi) * self.sigma / self.grid.spacing  # g ⋆ g, an axis
    return each_axis(residual, g / norm * self.peak() ** (-1 / 3))

  def smooth(self, field: Float[Array, 'G G G']) -> Array:
    """A map of blobs as wide as labels are, made smooth."""
    axis = np.arange(self.grid.size) * self.grid.spacing
    blur = np.exp(-0.5 * ((axis[:, None] - axis[None]) / SMOOTH) ** 2)
    return each_axis(field, blur / blur.sum(axis=1, keepdims=True))

  def margin(self) -> int:
    """Voxels past each wall that sharpening looks at."""
    return int(np.ceil(2 * self.sigma / self.grid.spacing))

  def sharpen(self, density, width: float, ridge: float):
    """The density as atoms of a narrower width would show it, [H, H, H].

    H = G + 2 `margin`: ridge regression on lines that reach past the walls. A
    width above σ blurs instead.
    """
    return each_axis(density, self._inverse_blur(width, ridge))

  def gain(self, width: float, ridge: float) -> float:
    """What sharpening multiplies white noise with, root mean square."""
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
    """Å from (fractional) voxel indices of a sharpened field."""
    corner = self.grid.length / 2 - 0.5 * self.grid.spacing
    return (index - self.margin()) * self.grid.spacing - corner

  def voxel(self, positions: Float[Array, 'K 3']) -> Array:
    """Indices [K, 3] of the nearest voxels."""
    index = (positions + self.grid.length / 2) / self.grid.spacing - 0.5
    index = jnp.round(index).astype(jnp.int32)
    return jnp.clip(index, 0, self.grid.size - 1)

  def distances(self, a: Float[Array, 'K 3'], b: Float[Array, 'L 3']) -> Array:
    """[K, L], Å."""
    return jnp.sqrt(jnp.sum((a[:, None] - b[None]) ** 2, axis=-1))

  def fold(self, positions):
    """Positions as they are reported."""
    return positions

  def inside(self, positions: Float[Array, 'K 3'], beyond=0.0) -> Array:
    """[K]: not outside a wall, or not so far, Å."""
    wall = self.grid.length / 2 + beyond
    return jnp.all(jnp.abs(positions) <= wall, axis=-1)


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
