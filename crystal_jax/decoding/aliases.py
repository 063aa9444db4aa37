"""Aliases: frequencies that a grid cannot tell apart.

Voxels that are sampled at points cannot tell a frequency from one that is a
whole number of sampling frequencies higher. A Gaussian that is narrow beside
the voxels has both.
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density import grids

# Aliases considered: up to three sampling frequencies either way.
_ALIASES = np.array(
  sorted(itertools.product(range(-3, 4), repeat=3), key=np.linalg.norm)
)


def matter(
  grid: grids.CellGrid,
  sigma: float,
  cell: Float[Array, '3 3'],
  aliased: Array | bool,
) -> tuple[Array, Float[Array, 'A 3']]:
  """How many aliases matter, and all aliases [343, 3], those first.

  An alias n matters if a Gaussian is not yet gone at the point of its
  parallelepiped that is nearest to zero; which is at least as far as the
  nearest of its planes.

  Args:
    grid: The grid.
    sigma: Width of an atom, Å.
    cell: Lattice vectors as rows, Å.
    aliased: False: no alias but zero, the frequency itself, matters.
  """
  steps = jnp.asarray(_ALIASES, cell.dtype)
  size = jnp.sqrt(jnp.sum(cell**2, axis=1))
  shape = jnp.asarray(grid.shape, cell.dtype)
  # |G| ≥ |component along a| = order / |a|.
  least = jnp.maximum(jnp.abs(steps) - 0.5, 0) * (shape / size)[None]
  least = jnp.max(least, axis=1)
  matters = 2 * (np.pi * sigma * least) ** 2 < 11.5  # 1e-5
  matters = matters & (aliased | jnp.all(steps == 0, axis=1))
  order = jnp.argsort(~matters, stable=True)
  return jnp.sum(matters), steps[order]
