"""Readout of species and refined positions from fields of codes and offsets.

Networks predict two things at every voxel: the code of an atom's element, and
the offset of the atom from the voxel. Both are read at the voxels nearest to
the peaks of the occupancy.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from crystal_jax.structure import elements

# Weight of the offset's position in the mean of it and the peak's position:
# their errors are independent. Tuned on 300 held-out crystals of the Materials
# Project.
_OFFSET_WEIGHT = 0.3


@functools.partial(jax.jit, static_argnames='periodic')
def read(
  positions: Float[Array, 'B K 3'],
  codes: Float[Array, 'B G G G C'],
  offsets: Float[Array, 'B G G G 3'] | None,
  code_offsets: Float[Array, 'B E C'] | None,
  *,
  periodic: bool,
) -> tuple[Float[Array, 'B K E'], Float[Array, 'B K 3']]:
  """Distances to the elements' codes, and positions moved by the offsets.

  Args:
    positions: Peaks of the occupancy, voxels.
    codes: Predicted codes at every voxel.
    offsets: Predicted offsets at every voxel, voxels; None: positions stay.
    code_offsets: Learnt offsets of the elements' codes; None: none.
    periodic: Whether the grid is periodic. Otherwise positions beyond it are
      read at its wall. Static.

  Returns:
    Squared distances of the code read at each position to the codes of all
    elements (`numbers` takes the nearest), and positions in voxels.
  """
  nearest = nearest_voxel(positions, codes.shape[1], periodic)
  voxels = nearest.astype(jnp.int32) % codes.shape[1]
  take = jax.vmap(lambda field, index: field[tuple(index.T)])
  table = elements.code_table(code_offsets)
  errors = take(codes, voxels)[:, :, None] - table[:, None]
  squared_distances = jnp.sum(jnp.square(errors), axis=-1)
  if offsets is not None:
    offset_positions = nearest + take(offsets, voxels)
    positions = positions + _OFFSET_WEIGHT * (offset_positions - positions)
  return squared_distances, positions


def numbers(
  squared_distances: Float[Array | np.ndarray, '*B E'],
) -> Int[Array | np.ndarray, '*B']:
  """Atomic numbers of the nearest codes."""
  return squared_distances.argmin(-1).astype(np.int32) + 1


def nearest_voxel(
  positions: Float[Array, 'B K 3'], size: int, periodic: bool
) -> Float[Array, 'B K 3']:
  """The nearest voxel of each position, as whole numbers.

  On a periodic grid they may lie beyond the grid, as the positions do; on an
  open grid they are clipped to it.
  """
  nearest = jnp.round(positions)
  return nearest if periodic else jnp.clip(nearest, 0, size - 1)
