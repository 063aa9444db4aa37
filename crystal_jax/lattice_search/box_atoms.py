"""Atoms of a box, with fast lookup of the atom at an image of another.

An operation is a translation, x + t, or an inversion, t - x. The lattice search
looks up a million times which atom is at the image of another. A map of small
voxels, each with the index of a nearby atom, needs one access for it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from crystal_jax.lattice_search.config import SEARCH


@dataclasses.dataclass(frozen=True)
class Points:
  """Atoms inside the walls, followed by reliable atoms just outside.

  Attributes:
    positions: Positions [N, 3], Å.
    numbers: Atomic numbers [N].
    errors: Expected position error of each atom [N], Å.
    inner: Number of atoms inside the walls.
    half: Distance of the walls from the origin, Å.
    tolerance: Distance between an image and an atom that counts as equal, Å.
    number_difference: Atomic numbers that differ by no more count as equal.
    max_missing_share: Largest allowed share of images without an atom.
    middle: Indices of the atoms inside the walls, nearest to the middle first.
    owners: The map: the index of a nearby atom in each voxel, or -1.
    step: Side of a voxel of the map, Å.
    edge: Distance of the map's sides from the origin, Å.
  """

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  errors: Float[np.ndarray, 'N']
  inner: int
  half: float
  tolerance: float
  number_difference: int
  max_missing_share: float
  middle: Int[np.ndarray, 'I']
  owners: Int[np.ndarray, 'X X X']
  step: float
  edge: float

  @classmethod
  def of(
    cls,
    atoms,
    tolerance: float,
    number_difference: int = 0,
    max_missing_share: float = 0.0,
  ) -> Points | None:
    """The points of decoded atoms; None if fewer than three lie inside."""
    positions, numbers, weights, inner, half = reliable(atoms)
    if inner < 3:
      return None
    # A light atom, one near a wall, and one whose weight is not whole are less
    # exact.
    deep = np.abs(positions).max(axis=1) < half - SEARCH.sharp_depth
    errors = np.where(deep, SEARCH.sharp_error, SEARCH.wall_error)
    errors = errors + 0.5 * np.abs(weights - numbers)
    errors = np.minimum(errors / numbers, SEARCH.max_error)
    middle = np.argsort(np.abs(positions[:inner]).max(axis=1))
    owners, step, edge = _map(positions, errors, tolerance)
    return cls(
      positions=positions,
      numbers=numbers,
      errors=errors,
      inner=inner,
      half=half,
      tolerance=tolerance,
      number_difference=number_difference,
      max_missing_share=max_missing_share,
      middle=middle,
      owners=owners,
      step=step,
      edge=edge,
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
    wall = self.half - 0.5 * self.tolerance - 0.02
    index = np.zeros((), int)
    expected = np.ones((), bool)
    images = []
    for k in range(3):  # an axis at a time is much faster than all at once
      image = positions[None, :, k] + shifts[:, None, k]
      expected = expected & (np.abs(image) <= wall)
      voxel = ((image + self.edge) / self.step).astype(np.int32)
      index = index * size + np.clip(voxel, 0, size - 1)
      images.append(image)
    owner = self.owners.reshape(-1)[index]
    found = np.nonzero(owner >= 0)
    on = owner[found]
    squares = sum(
      (images[k][found] - self.positions[on, k]) ** 2 for k in range(3)
    )
    difference = np.abs(self.numbers[on] - numbers[found[1]])
    within = self.tolerance + self.errors[on] + self.errors[atoms][found[1]]
    wrong = (squares > within**2) | (difference > self.number_difference)
    owner[found[0][wrong], found[1][wrong]] = -1
    return owner, expected

  def rejects(
    self, shifts: Float[np.ndarray, 'T 3'], sign: int = 1, atoms=None
  ) -> Bool[np.ndarray, 'T']:
    """Whether more than the allowed share of an operation's images has no atom.

    Args:
      shifts: Shifts of the operations, Å.
      sign: 1 for translations, -1 for inversions.
      atoms: Indices of the atoms whose images to check; None: all inside.
    """
    atoms = np.arange(self.inner) if atoms is None else atoms
    both = np.concatenate([shifts, -shifts]) if sign == 1 else shifts
    owner, expected = self.match(both, sign, atoms)
    num_unmatched = (expected & (owner < 0)).sum(axis=1)
    num_expected = expected.sum(axis=1)
    if sign == 1:
      n = len(shifts)
      num_unmatched = num_unmatched[:n] + num_unmatched[n:]
      num_expected = num_expected[:n] + num_expected[n:]
    return num_unmatched > self.max_missing_share * num_expected

  def precision(self, first, second) -> Float[np.ndarray, '*P']:
    """Inverse of the expected error of a pair of atoms, 1/Å."""
    return 1 / (self.errors[first] + self.errors[second] + self.tolerance / 4)

  def pairs(self, cell, centre=None):
    """Every pair of atoms that a lattice relates; None if too many miss.

    Args:
      cell: Lattice vectors as rows, Å.
      centre: If given, pairs of the inversions `centre + steps @ cell - x`
        instead of the translations `x + steps @ cell`.

    Returns:
      Indices of the first and the second atom, and the whole steps along each
      lattice vector between them, [P, 3].
    """
    if centre is None:
      steps = whole_steps(cell, 2 * self.edge)
      steps = steps[steps.any(axis=1)]
      owner, expected = self.match(steps @ cell)
    else:
      steps = whole_steps(cell, 2 * self.edge, centre)
      owner, expected = self.match(centre + steps @ cell, -1)
    expected = expected[:, : self.inner]
    missing = expected & (owner[:, : self.inner] < 0)
    if missing.sum() > self.max_missing_share * expected.sum():
      return None
    t, first = np.nonzero(owner >= 0)
    return first, owner[t, first], steps[t]


def _map(positions, errors, tolerance):
  """Owners of the small voxels around atoms, the voxels' side, and the edge."""
  step = max(0.1, tolerance / 2)
  edge = np.abs(positions).max() + 5 * step
  size = int(np.ceil(2 * edge / step))
  owners = np.full((size,) * 3, -1, np.int16)
  reach = np.arange(-3, 4)
  ball = np.stack(np.meshgrid(reach, reach, reach), -1).reshape(-1, 3)
  near = (tolerance + 2 * errors.max() + np.sqrt(3) * step) / step
  ball = ball[np.linalg.norm(ball, axis=1) <= near]
  index = ((positions + edge) / step).astype(np.int32)
  index = index[:, None] + ball[None]
  atom = np.arange(len(positions), dtype=np.int16)
  owner = np.broadcast_to(atom[:, None], index.shape[:2])
  owners[tuple(index.reshape(-1, 3).T)] = owner.reshape(-1)
  return owners, step, edge


def whole_steps(cell, reach, start=0.0) -> Int[np.ndarray, 'T 3']:
  """Whole lattice steps that lead from `start` to points inside a cube.

  Args:
    cell: Lattice vectors as rows, Å.
    reach: Half the side of the cube, Å.
    start: A point, Å.
  """
  inverse = np.linalg.inv(cell)
  limit = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int)
  limit = np.minimum(limit + 1, 12)
  ranges = [np.arange(-k, k + 1) for k in limit]
  steps = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
  steps = steps - np.rint(np.broadcast_to(start, 3) @ inverse).astype(int)
  return steps[np.abs(start + steps @ cell).max(axis=1) <= reach]


def reliable(
  atoms,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, float]:
  """The atoms to rely on: those inside the walls, then those just outside.

  Args:
    atoms: A `DecodedAtoms` of one density.

  Returns:
    Positions, atomic numbers and weights; how many lie inside the walls; and
    the distance of the walls from the origin, Å.

  Raises:
    ValueError: If the atoms are those of a batch.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  if inside.ndim != 1:
    raise ValueError(
      f'These are the atoms of a batch of {len(inside)} densities; pass them '
      'one at a time: jax.tree.map(lambda x: x[i], atoms).'
    )
  positions = np.asarray(atoms.positions, np.float64)
  numbers = np.asarray(atoms.numbers)
  weights = np.asarray(atoms.weights, np.float64)
  half = float(np.abs(positions[inside]).max(initial=0.0))
  if inside.any() and atoms.length is not None:
    half = max(half, atoms.length / 2 - SEARCH.wall_margin)
  outside = np.asarray(atoms.mask) & ~inside
  outside &= np.abs(positions).max(axis=1) <= half + SEARCH.outside_distance
  outside &= np.abs(weights - numbers) < SEARCH.outside_weight_tolerance
  outside &= numbers > SEARCH.max_unreliable_number
  order = np.r_[np.nonzero(inside)[0], np.nonzero(outside)[0]]
  inner = int(inside.sum())
  return positions[order], numbers[order], weights[order], inner, half
