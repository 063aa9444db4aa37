"""Atoms of a view of a crystal: those in a box, or all atoms of a cell."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int

from crystal_jax.decoding import DecodedAtoms
from crystal_jax.density import BoxGrid
from crystal_jax.structure.lattice import plane_spacings


@dataclasses.dataclass(frozen=True)
class Atoms:
  """Atoms inside a view and just outside of it.

  Attributes:
    positions: Positions, Å.
    numbers: Atomic numbers.
    inside: Which atoms are inside.
  """

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  inside: Bool[np.ndarray, 'N']

  @classmethod
  def none(cls) -> 'Atoms':
    """No atoms."""
    return cls(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, bool))


def atoms_in_box(
  positions: Float[np.ndarray, 'N 3'],
  numbers: Int[np.ndarray, 'N'],
  cell: Float[np.ndarray, '3 3'] | None,
  grid: BoxGrid,
  margin: float,
) -> Atoms:
  """All atoms and images in a box and within `margin` of its walls.

  Args:
    positions: Positions in the frame of the box, Å.
    numbers: Atomic numbers, 0 in empty slots.
    cell: Lattice vectors as rows, Å. None: the atoms have no images.
    grid: The box.
    margin: Distance outside the walls up to which atoms are included, Å.
  """
  filled, half = numbers > 0, grid.length / 2
  positions, numbers = positions[filled].astype(np.float64), numbers[filled]
  if cell is None:
    return Atoms(positions, numbers, np.all(np.abs(positions) <= half, axis=-1))
  fractional = positions @ np.linalg.inv(cell)
  wrapped = (fractional - np.floor(fractional + 1e-6)) @ cell
  radius = margin + half * 3**0.5
  reach = np.ceil(radius / np.asarray(plane_spacings(cell))).astype(int) + 1
  translations = np.array(
    list(itertools.product(*[range(-n, n + 1) for n in reach]))
  )
  images = wrapped[None] + (translations @ cell)[:, None]
  near = np.all(np.abs(images) <= half + margin, axis=-1)
  inside = np.all(np.abs(images) <= half, axis=-1)
  all_numbers = np.broadcast_to(numbers[None], near.shape)
  return Atoms(images[near], all_numbers[near], inside[near])


def decoded_atoms(decoded: DecodedAtoms, index: int) -> Atoms:
  """The atoms of one box of a decoded batch."""
  mask = np.asarray(decoded.mask[index])
  return Atoms(
    positions=np.asarray(decoded.positions[index])[mask],
    numbers=np.asarray(decoded.numbers[index])[mask],
    inside=np.asarray(decoded.inside[index])[mask],
  )
