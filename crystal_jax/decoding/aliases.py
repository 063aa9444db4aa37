"""Aliases: frequencies that are equal at all points of a grid.

Point sampling folds frequencies beyond Nyquist onto lower ones. A Gaussian
narrower than a voxel has significant weight beyond Nyquist.
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density import grids

# Aliases that are considered, [343, 3]: up to three sampling frequencies either
# way, shortest first.
_ALIASES = np.array(
  sorted(itertools.product(range(-3, 4), repeat=3), key=np.linalg.norm)
)
_MAX_EXPONENT = 11.5  # exp(-11.5) = 1e-5


def significant_aliases(
  grid: grids.CellGrid,
  sigma: float,
  cell: Float[Array, '3 3'],
  aliased: Array | bool,
) -> tuple[Array, Float[Array, 'A 3']]:
  """Number of significant aliases, and all 343 aliases, significant ones first.

  Alias n shifts the grid's frequencies by n sampling frequencies. It is
  significant if the atom's Gaussian exceeds 1e-5 at a lower bound of the
  shifted |G|.

  Args:
    grid: The grid.
    sigma: Width of an atom, Å.
    cell: Lattice vectors as rows, Å.
    aliased: Whether the density was sampled at points. False: only n = 0 is
      significant.
  """
  aliases = jnp.asarray(_ALIASES, cell.dtype)
  lengths = jnp.sqrt(jnp.sum(cell**2, axis=1))
  shape = jnp.asarray(grid.shape, cell.dtype)
  # |G| ≥ |component of G along a| = Miller index / |a|.
  components = jnp.maximum(jnp.abs(aliases) - 0.5, 0) * (shape / lengths)[None]
  min_frequency = jnp.max(components, axis=1)
  significant = 2 * (np.pi * sigma * min_frequency) ** 2 < _MAX_EXPONENT
  significant = significant & (aliased | jnp.all(aliases == 0, axis=1))
  significant_first = jnp.argsort(~significant, stable=True)
  return jnp.sum(significant), aliases[significant_first]
