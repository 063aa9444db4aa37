"""Sums of Gaussians on the unit cell's own grid, image by image.

Exact at the voxels' points at any spacing. Where the grid resolves the
Gaussians, `wave_density.cell_waves` gives the same and is much faster.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density.grids import CellGrid, outer_sum
from crystal_jax.density.precision import compensated_sum
from crystal_jax.density.split import Split, quantize


def cell_density(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  cell: Split,
  grid: CellGrid,
) -> Float[Array, 'G G G C']:
  """Weight per Å³ at the voxels of a cell.

  Arguments are those of `box_density`, and the lattice vectors as rows, Å.
  """
  weights = weights * ((2 * np.pi) ** -1.5 / sigma**3)
  vectors = map(Split, *cell)
  axes = [_steps(*axis) for axis in zip(vectors, grid.shape, strict=True)]

  def atom_density(center, weight):
    squares = 0.0
    for i in range(3):
      # Whole quanta first, which do not round; all other terms are small.
      coarse = outer_sum(*(axis.coarse[:, i] for axis in axes))
      fine = outer_sum(*(axis.fine[:, i] for axis in axes))
      offset = coarse - center.coarse[i] + (fine - center.fine[i])
      squares += offset**2
    gaussian = jnp.exp(-0.5 * squares / sigma**2)
    return gaussian[..., None] * weight[None, None, None]

  return compensated_sum(atom_density, centers, weights)


def _steps(vector: Split, voxels: int) -> Split:
  """Positions of the voxels along a lattice vector [G, 3], Å."""
  step = jnp.arange(voxels, dtype=vector.fine.dtype)
  whole = jnp.outer(step, vector.coarse)
  coarse = quantize(whole / voxels)
  fine = whole - coarse * voxels + jnp.outer(step, vector.fine)
  return Split(coarse, fine / voxels)
