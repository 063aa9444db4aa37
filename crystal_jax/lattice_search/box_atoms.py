"""Atoms of a box, and a voxel map that finds the atom at a position.

An operation of shift t maps an atom at x to its image: x + t for a translation,
t - x for an inversion. The lattice search asks for the atom at an image about a
million times. A map of small voxels, each of which stores the index of a nearby
atom, finds the atom with one array access.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from crystal_jax.lattice_search.config import SEARCH
from crystal_jax.lattice_search.reliable_atoms import reliable_atoms

# Images within this distance of a wall, beyond half the tolerance, need no
# atom, Å: position errors may put the atom on the other side.
_WALL_MARGIN = 0.02
# Smallest side of a voxel of the map, Å.
_MIN_MAP_VOXEL = 0.1
# Maximum number of whole steps along a lattice vector; bounds the memory that a
# very skew cell takes.
_MAX_WHOLE_STEPS = 12


@dataclasses.dataclass(frozen=True)
class BoxAtoms:
  """Atoms inside the walls, followed by reliable atoms just outside.

  Attributes:
    positions: Positions [N, 3], Å.
    numbers: Atomic numbers [N].
    errors: Expected position error of each atom [N], Å.
    num_inside: Number of atoms inside the walls.
    half_length: Distance of the walls from the origin, Å.
    tolerance: Largest distance of an image from its atom, Å.
    max_number_difference: Largest difference of the atomic numbers of an atom
      and its image.
    max_missing_share: Largest allowed share of images without an atom.
    from_centre: Indices of the atoms inside the walls, nearest to the origin
      first.
    owners: The map: the index of a nearby atom in each voxel, or -1.
    map_voxel: Side of a voxel of the map, Å.
    map_half_length: Distance of the map's sides from the origin, Å.
  """

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  errors: Float[np.ndarray, 'N']
  num_inside: int
  half_length: float
  tolerance: float
  max_number_difference: int
  max_missing_share: float
  from_centre: Int[np.ndarray, 'I']
  owners: Int[np.ndarray, 'X X X']
  map_voxel: float
  map_half_length: float

  @classmethod
  def of(
    cls,
    atoms,
    tolerance: float,
    max_number_difference: int = 0,
    max_missing_share: float = 0.0,
  ) -> BoxAtoms | None:
    """The reliable atoms of a box; None if fewer than three lie inside."""
    positions, numbers, weights, num_inside, half_length = reliable_atoms(atoms)
    if num_inside < 3:
      return None
    # Positions are less exact of light atoms, of atoms near a wall and of atoms
    # whose weight is far from their atomic number.
    is_deep = np.abs(positions).max(axis=1) < half_length - SEARCH.sharp_depth
    errors = np.where(is_deep, SEARCH.sharp_error, SEARCH.wall_error)
    errors = errors + 0.5 * np.abs(weights - numbers)
    errors = np.minimum(errors / numbers, SEARCH.max_error)
    owners, map_voxel, map_half_length = _map(positions, errors, tolerance)
    return cls(
      positions=positions,
      numbers=numbers,
      errors=errors,
      num_inside=num_inside,
      half_length=half_length,
      tolerance=tolerance,
      max_number_difference=max_number_difference,
      max_missing_share=max_missing_share,
      from_centre=np.argsort(np.abs(positions[:num_inside]).max(axis=1)),
      owners=owners,
      map_voxel=map_voxel,
      map_half_length=map_half_length,
    )

  def match(
    self, shifts: Float[np.ndarray, 'T 3'], sign: int = 1, atoms=slice(None)
  ) -> tuple[Int[np.ndarray, 'T A'], Bool[np.ndarray, 'T A']]:
    """Index of the atom at each image, or -1, and whether one is expected.

    Args:
      shifts: Shifts, Å; the images are `sign * position + shift`.
      sign: 1 for translations, -1 for inversions.
      atoms: Indices of the atoms whose images to match.
    """
    positions = sign * self.positions[atoms]
    numbers = self.numbers[atoms]
    size = len(self.owners)
    wall = self.half_length - 0.5 * self.tolerance - _WALL_MARGIN
    index = np.zeros((), int)
    expected = np.ones((), bool)
    images = []
    for k in range(3):  # One axis at a time is much faster than all at once.
      image = positions[None, :, k] + shifts[:, None, k]
      expected = expected & (np.abs(image) <= wall)
      voxel = ((image + self.map_half_length) / self.map_voxel).astype(np.int32)
      index = index * size + np.clip(voxel, 0, size - 1)
      images.append(image)
    owner = self.owners.reshape(-1)[index]
    shift, atom = np.nonzero(owner >= 0)
    at_image = owner[shift, atom]
    squares = sum(
      (images[k][shift, atom] - self.positions[at_image, k]) ** 2
      for k in range(3)
    )
    difference = np.abs(self.numbers[at_image] - numbers[atom])
    within = self.tolerance + self.errors[at_image] + self.errors[atoms][atom]
    wrong = (squares > within**2) | (difference > self.max_number_difference)
    owner[shift[wrong], atom[wrong]] = -1
    return owner, expected

  def rejects(
    self, shifts: Float[np.ndarray, 'T 3'], sign: int = 1, atoms=None
  ) -> Bool[np.ndarray, 'T']:
    """Whether too large a share of an operation's images has no atom.

    Args:
      shifts: Shifts of the operations, Å.
      sign: 1 for translations, -1 for inversions.
      atoms: Indices of the atoms whose images to check; None: all inside.

    Returns:
      One value for each operation. A translation is checked with its inverse.
    """
    atoms = np.arange(self.num_inside) if atoms is None else atoms
    with_inverses = np.concatenate([shifts, -shifts]) if sign == 1 else shifts
    owner, expected = self.match(with_inverses, sign, atoms)
    num_unmatched = (expected & (owner < 0)).sum(axis=1)
    num_expected = expected.sum(axis=1)
    if sign == 1:
      num_unmatched = num_unmatched.reshape(2, -1).sum(axis=0)
      num_expected = num_expected.reshape(2, -1).sum(axis=0)
    return num_unmatched > self.max_missing_share * num_expected

  def inverse_error(self, first, second) -> Float[np.ndarray, '*P']:
    """Inverse of the expected error of a pair of atoms, 1/Å."""
    return 1 / (self.errors[first] + self.errors[second] + self.tolerance / 4)

  def pairs(self, cell, centre=None):
    """All pairs of an atom and its image; None if too many images lack an atom.

    Args:
      cell: Lattice vectors as rows, Å.
      centre: If given, images are those of the inversions
        `centre + steps @ cell - x`, else of the translations
        `x + steps @ cell`.

    Returns:
      Index of each atom, index of the atom at its image, and the whole steps
      along each lattice vector between them, [P, 3].
    """
    if centre is None:
      steps = whole_steps(cell, 2 * self.map_half_length)
      steps = steps[steps.any(axis=1)]
      owner, expected = self.match(steps @ cell)
    else:
      steps = whole_steps(cell, 2 * self.map_half_length, centre)
      owner, expected = self.match(centre + steps @ cell, -1)
    expected = expected[:, : self.num_inside]
    missing = expected & (owner[:, : self.num_inside] < 0)
    if missing.sum() > self.max_missing_share * expected.sum():
      return None
    shift, first = np.nonzero(owner >= 0)
    return first, owner[shift, first], steps[shift]


def whole_steps(cell, reach, start=0.0) -> Int[np.ndarray, 'T 3']:
  """Whole lattice steps that lead from `start` to points inside a cube.

  Args:
    cell: Lattice vectors as rows, Å.
    reach: Half the side of the cube, Å.
    start: A point, Å.
  """
  inverse = np.linalg.inv(cell)
  limit = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int)
  limit = np.minimum(limit + 1, _MAX_WHOLE_STEPS)
  ranges = [np.arange(-k, k + 1) for k in limit]
  steps = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
  steps = steps - np.rint(np.broadcast_to(start, 3) @ inverse).astype(int)
  return steps[np.abs(start + steps @ cell).max(axis=1) <= reach]


def _map(positions, errors, tolerance):
  """Owners of the voxels, the side of a voxel and half the map's side, Å."""
  voxel = max(_MIN_MAP_VOXEL, tolerance / 2)
  half_length = np.abs(positions).max() + 5 * voxel
  size = int(np.ceil(2 * half_length / voxel))
  owners = np.full((size,) * 3, -1, np.int16)
  # Voxels around an atom that its image can fall into: a cube of 7³ at most.
  reach = np.arange(-3, 4)
  ball = np.stack(np.meshgrid(reach, reach, reach), -1).reshape(-1, 3)
  radius = (tolerance + 2 * errors.max() + np.sqrt(3) * voxel) / voxel
  ball = ball[np.linalg.norm(ball, axis=1) <= radius]
  index = ((positions + half_length) / voxel).astype(np.int32)
  index = index[:, None] + ball[None]
  atom = np.arange(len(positions), dtype=np.int16)
  owner = np.broadcast_to(atom[:, None], index.shape[:2])
  owners[tuple(index.reshape(-1, 3).T)] = owner.reshape(-1)
  return owners, voxel, half_length
