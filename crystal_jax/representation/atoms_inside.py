"""Atoms inside a box, periodic images included; traceable."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.density import BoxGrid, images


class AtomsInside(NamedTuple):
  """Atoms of a batch of boxes.

  Attributes:
    numbers: Atomic numbers; 0 in empty slots.
    positions: Cartesian positions, Å; the centre of the box in empty slots.
    complete: Whether there were enough slots for all atoms.
  """

  numbers: Int[Array, 'B K']
  positions: Float[Array, 'B K 3']
  complete: Bool[Array, 'B']


def atoms_inside(
  positions: Float[Array, 'B N 3'],
  numbers: Int[Array, 'B N'],
  cell: Float[Array, 'B 3 3'] | None,
  *,
  grid: BoxGrid,
  slots: int,
) -> AtomsInside:
  """The atoms between the walls of a box that is centred on the origin.

  Args:
    positions: Cartesian positions, Å.
    numbers: Atomic numbers; 0 in empty slots.
    cell: Lattice vectors as rows, Å; None: no periodic images.
    grid: The box. Static.
    slots: Maximum number of atoms, K. Static.
  """

  def one(positions, numbers, cell):
    found = images.find_images(
      positions,
      numbers > 0,
      cell,
      grid=grid,
      reach=0.0,
      max_images=slots,
    )
    inside = positions[found.atom]
    if cell is not None:
      translation = found.translation.astype(cell.dtype)
      inside += jnp.matmul(translation, cell, precision='highest')
    return AtomsInside(
      jnp.where(found.filled, numbers[found.atom], 0),
      jnp.where(found.filled[:, None], inside, 0),
      found.complete,
    )

  return jax.vmap(one, in_axes=(0, 0, None if cell is None else 0))(
    positions, numbers, cell
  )
