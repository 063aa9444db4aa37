"""Least distances between the atoms of a periodic cell.

Of two atoms only the image of the nearest fractional coordinates counts.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from crystal_jax.density.precision import full_precision

# Rounds in which all near pairs are separated.
_ROUNDS = 40


class Separation(NamedTuple):
  """How near two atoms may be.

  Attributes:
    cell: Lattice vectors as rows, Å.
    closest: Least distance of two atoms, Å; 0: any. A number, or one for each
      pair of atoms.
  """

  cell: Float[Array, '*B 3 3']
  closest: Float[Array, '*B'] | Float[Array, '*B K K']


@jax.jit
def separate(
  fractional: Float[Array, 'B K 3'],
  filled: Bool[Array, 'B K'],
  separation: Separation,
) -> Float[Array, 'B K 3']:
  """Coordinates after pairs that are too near were moved to their distance.

  Each round moves both atoms of a pair by half of what is missing, so that
  atoms with several near ones settle between them.

  Args:
    fractional: Fractional coordinates.
    filled: Which slots hold an atom.
    separation: Cells, and the least distance of each pair, [B, K, K].
  """

  def one_cell(inputs):
    positions, filled, metric = inputs
    return jax.lax.fori_loop(
      0,
      _ROUNDS,
      lambda _, each: separated(each, filled, 1, metric),
      positions,
    )

  with full_precision():
    return jax.lax.map(one_cell, (fractional, filled, separation))


def is_outside(
  position: Float[Array, '3'], size: int, separation: Separation
) -> Bool[Array, 'G G G']:
  """Which voxels are not nearer to a position than the least distance.

  Args:
    position: Position, voxels.
    size: Voxels along each axis, G.
    separation: Vectors between neighbouring voxels as `cell`, and one least
      distance.
  """
  grid = jnp.arange(size, dtype=position.dtype)
  offsets = grid[None] - position[:, None]
  x, y, z = offsets - size * jnp.round(offsets / size)
  a, b, c = separation.cell[:, None, None, None]
  vectors = (
    x[:, None, None, None] * a
    + y[None, :, None, None] * b
    + z[None, None, :, None] * c
  )
  return jnp.sum(jnp.square(vectors), axis=-1) >= separation.closest**2


def separated(
  positions: Float[Array, 'K 3'],
  filled: Bool[Array, 'K'],
  size: int,
  separation: Separation,
) -> Float[Array, 'K 3']:
  """Positions after one round in which near pairs are separated.

  Args:
    positions: Positions in units of `separation.cell`.
    filled: Which slots hold an atom.
    size: Period of the positions.
    separation: Vectors of the unit of each axis as `cell`, and least distances.
  """
  offsets = positions[:, None] - positions[None]
  offsets = offsets - size * jnp.round(offsets / size)
  squares = jnp.sum(jnp.square(offsets @ separation.cell), axis=-1)
  pairs = filled[:, None] & filled[None] & ~jnp.eye(len(filled), dtype=bool)
  distance = jnp.sqrt(jnp.maximum(squares, 1e-6))
  missing = jnp.where(pairs, jnp.maximum(separation.closest - distance, 0), 0)
  return positions + jnp.sum(
    (0.5 * missing / distance)[..., None] * offsets, axis=1
  )
