"""A lattice as six numbers, independent of its orientation.

The six are the logarithms of the lengths (Å) and the cosines of the angles
alpha, beta, gamma.
"""

from __future__ import annotations

import ase.geometry
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float


def to_numbers(cell: Float[ArrayLike, '*B 3 3']) -> Float[np.ndarray, '*B 6']:
  """Logarithms of the lengths (Å) and cosines of the angles; on the host."""
  cell = np.asarray(cell, np.float64)
  lengths = np.linalg.norm(cell, axis=-1)
  unit = cell / lengths[..., None]
  cosines = np.sum(np.roll(unit, -1, -2) * np.roll(unit, -2, -2), axis=-1)
  return np.concatenate([np.log(lengths), cosines], axis=-1)


def from_cells(cell: Float[Array, 'B 3 3']) -> Float[Array, 'B 6']:
  """Traceable version of `to_numbers`."""
  lengths = jnp.linalg.norm(cell, axis=-1)
  unit = cell / lengths[..., None]
  cosines = jnp.sum(jnp.roll(unit, -1, -2) * jnp.roll(unit, -2, -2), axis=-1)
  return jnp.concatenate([jnp.log(lengths), cosines], axis=-1)


def to_cell(
  numbers: Float[ArrayLike, '6'],
) -> Float[np.ndarray, '3 3'] | None:
  """The cell of six numbers, a along x, b in the xy plane; on the host.

  None if no cell has these angles, or only a nearly flat one.
  """
  numbers = np.asarray(numbers, np.float64)
  lengths, cosines = np.exp(numbers[:3]), numbers[3:]
  if not np.isfinite(np.append(lengths, cosines)).all():
    return None
  if (np.abs(cosines) >= 1).any():
    return None
  a, b, c = cosines
  # Volume of the cell of these angles and edges of length one, squared.
  if 1 - a * a - b * b - c * c + 2 * a * b * c < 1e-4:
    return None
  angles = np.degrees(np.arccos(cosines))
  return ase.geometry.cellpar_to_cell([*lengths, *angles])
