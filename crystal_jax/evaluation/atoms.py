"""The atoms a box shows, with the neighbours just outside of it."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int

from crystal_jax.decoding import DecodedAtoms
from crystal_jax.density import BoxGrid
from crystal_jax.structure.lattice import plane_spacings


@dataclasses.dataclass(frozen=True)
class Atoms:
  """Positions (Å), species, and which of them lie inside the walls."""

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  inside: Bool[np.ndarray, 'N']


def true_atoms(
  positions: Float[np.ndarray, 'N 3'],
  numbers: Int[np.ndarray, 'N'],
  cell: Float[np.ndarray, '3 3'] | None,
  grid: BoxGrid,
  margin: float,
) -> Atoms:
  """All atoms and images in a box and up to `margin` Å around it.

  Args:
    positions: Placed in the box, Å.
    numbers: Species, 0 in empty slots.
    cell: What they repeat by, Å; None: they do not.
    grid: The box.
    margin: Å.
  """
  filled, half = numbers > 0, grid.length / 2
  positions, numbers = positions[filled].astype(np.float64), numbers[filled]
  if cell is None:
    return Atoms(positions, numbers, np.all(np.abs(positions) <= half, axis=-1))
  fractional = positions @ np.linalg.inv(cell)
  home = (fractional - np.floor(fractional + 1e-6)) @ cell
  radius = margin + half * 3**0.5
  reach = np.ceil(radius / np.asarray(plane_spacings(cell))).astype(int) + 1
  steps = itertools.product(*[range(-n, n + 1) for n in reach])
  moved = home[None] + (np.array(list(steps)) @ cell)[:, None]
  kept = np.all(np.abs(moved) <= half + margin, axis=-1)
  inside = np.all(np.abs(moved) <= half, axis=-1)
  every = np.broadcast_to(numbers[None], kept.shape)
  return Atoms(moved[kept], every[kept], inside[kept])


def decoded_atoms(found: DecodedAtoms, index: int) -> Atoms:
  """One box of a decoded batch."""
  mask = np.asarray(found.mask[index])
  return Atoms(
    *(
      np.asarray(leaf[index])[mask]
      for leaf in (found.positions, found.numbers, found.inside)
    )
  )
