"""Placement of a crystal in a box: random rotations and random origins.

A box is a cube of space around the origin. Two fillings:

- 'single_cell': the atoms of one cell, wrapped into it and centred on their
  mean, without periodic images.
- 'repeating': the infinite crystal. Sample 0 is centred on the cell's centre,
  the others on a random point of the cell.

All functions are pure, traceable and for one crystal; `jax.vmap` them.
Positions and cell are rotated together.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

FILLINGS = ('single_cell', 'repeating')

# Fractional coordinates within this below 1 count as 0: files often round 0 to
# -1e-6.
_ROUNDING = 1e-4


def place(
  key: Array | None,
  positions: Float[ArrayLike, 'N 3'],
  numbers: Int[ArrayLike, 'N'],
  cell: Float[ArrayLike, '3 3'],
  *,
  filling: str,
  sample: ArrayLike = 0,
  rotate: bool = True,
) -> tuple[Float[Array, 'N 3'], Float[Array, '3 3']]:
  """Positions and cell of a crystal in a box that is centred on the origin.

  Args:
    key: PRNG key of this example. None: nothing is random; the crystal is not
      rotated, and its cell's centre is at the origin.
    positions: Cartesian positions, Å.
    numbers: Atomic numbers, 0 in empty slots.
    cell: Lattice vectors as rows, Å.
    filling: 'single_cell' or 'repeating'. Static.
    sample: For 'repeating': the point at the origin. 0: the centre of the cell.
      Other numbers: a uniformly random point of the cell. May be traced.
    rotate: Whether to rotate by a uniformly random rotation. Static.

  Returns:
    The positions, zero in empty slots, and the rotated cell. A single cell has
    no images: voxelize it without its cell.

  Raises:
    ValueError: If the filling is unknown.
  """
  if filling not in FILLINGS:
    raise ValueError(f'Unknown {filling=}; it is one of {FILLINGS}.')
  positions, numbers = jnp.asarray(positions), jnp.asarray(numbers)
  cell = jnp.asarray(cell)
  if key is not None:
    origin_key, rotation_key = jax.random.split(key)
  if filling == 'single_cell':
    placed = centre(positions, numbers, cell)
  else:
    origin = jnp.full((3,), 0.5, cell.dtype)
    if key is not None:
      random = jax.random.uniform(origin_key, (3,), cell.dtype)
      origin = jnp.where(sample == 0, origin, random)
    placed = _mask(positions - (origin @ cell)[None, :], numbers)
  if rotate and key is not None:
    rotation = random_rotation(rotation_key).astype(cell.dtype)
    placed, cell = placed @ rotation, cell @ rotation
  return placed, cell


def random_rotation(key: Array) -> Float[Array, '3 3']:
  """A rotation matrix, uniform over SO(3).

  Four normal numbers, normalized, are a unit quaternion that is uniform on the
  sphere S³, which covers the rotations evenly.

  References:
    Shoemake, Graphics Gems III, 1992.
  """
  w, x, y, z = _unit(jax.random.normal(key, (4,)))
  return jnp.array(
    [
      [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
      [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
      [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
  )


def wrap(
  positions: Float[ArrayLike, 'N 3'], cell: Float[ArrayLike, '3 3']
) -> Float[Array, 'N 3']:
  """Moves every atom into the cell by whole lattice vectors.

  Returns:
    Positions whose fractional coordinates lie in [0, 1) up to rounding: a
    coordinate just below 1 becomes one just below 0.
  """
  positions, cell = jnp.asarray(positions), jnp.asarray(cell)
  fractional = positions @ jnp.linalg.inv(cell)
  return positions - jnp.floor(fractional + _ROUNDING) @ cell


def centre(
  positions: Float[ArrayLike, 'N 3'],
  numbers: Int[ArrayLike, 'N'],
  cell: Float[ArrayLike, '3 3'],
) -> Float[Array, 'N 3']:
  """The atoms of one cell, wrapped into it and centred on their mean."""
  numbers = jnp.asarray(numbers)
  wrapped = _mask(wrap(positions, cell), numbers)
  count = jnp.maximum((numbers > 0).sum(), 1)
  return _mask(wrapped - (wrapped.sum(0) / count)[None, :], numbers)


def _mask(positions, numbers):
  return jnp.where((numbers > 0)[:, None], positions, 0)


def _unit(vector):
  return vector / jnp.linalg.norm(vector)
