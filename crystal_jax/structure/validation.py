"""Checks that every crystal passes, whether read from a file or decoded."""

from __future__ import annotations

import ase
import ase.data
import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure import contacts, elements, lattice
from crystal_jax.structure.crystal import Crystal, check_geometry

# Å; a crystal with two atoms (or images) closer than this is refused.
MIN_DISTANCE = 0.4

# Lengths outside these limits are in another unit than Å. None of 175,000 known
# crystals is outside; they have at least 4.3 Å³ per atom, and hydrogen at 500
# GPa has about 1.1.
_MIN_ATOM_VOLUME = 0.5  # Å³
_MIN_RADII_SHARE = 0.4
_MAX_SPACING = 10.0  # Å
# Å³ per atom; between these, crystals are not tested further: 1,000 times less
# than 5,000 (a slab in a large vacuum), and atoms _MAX_SPACING apart.
_USUAL_VOLUMES = (5.0, 700.0)

# Shortest and longest lattice vector of a decoded crystal, Å.
_MIN_DECODED_LENGTH, _MAX_DECODED_LENGTH = 0.5, 1000.0

# Largest deviation from 1 of the occupancy of a full site.
_OCCUPANCY_TOLERANCE = 1e-3


def check_atoms(atoms: ase.Atoms) -> Crystal:
  """The crystal of ASE atoms; refuses anything but whole, periodic crystals.

  Raises:
    ValueError: If there are no atoms or no cell, the cell is flat, a site is
      partially occupied, a species is unknown, or two atoms are closer than
      0.4 Å.
  """
  if not len(atoms):
    raise ValueError('no atoms')
  if not atoms.cell.any():
    raise ValueError(
      'no cell: a molecule; give it three lattice vectors, or a vacuum cell '
      'by atoms.center(vacuum=8.0); atoms.pbc = True'
    )
  crystal = Crystal.from_ase(atoms)
  # ASE stores occupancies in two ways.
  kinds = atoms.info.get('occupancy')
  for kind in kinds.values() if isinstance(kinds, dict) else ():
    for species, occupancy in kind.items():
      check_occupancy(species, occupancy)
  column = atoms.arrays.get('occupancy', ())
  for species, occupancy in zip(atoms.symbols, column, strict=False):
    check_occupancy(species, occupancy)
  return check_crystal(crystal)


def check_crystal(crystal: Crystal) -> Crystal:
  """The crystal in float64, without empty slots.

  Raises:
    ValueError: If it is a batch, has no atoms, a number that is not finite, a
      flat cell, an unknown species, lengths in another unit than Å, or atoms
      closer than 0.4 Å.
  """
  if np.ndim(crystal.numbers) != 1:
    raise ValueError('a batch of crystals inside a list: unstack it first')
  all_numbers = np.asarray(crystal.numbers)
  filled = all_numbers != 0
  numbers = all_numbers[filled].astype(np.int32)
  positions = np.asarray(crystal.positions, np.float64)[filled]
  cell = np.asarray(crystal.cell, np.float64)
  if not len(numbers):
    raise ValueError('no atoms')
  check_geometry(numbers, positions, cell)
  reasons = []
  contact = contacts.first_contact(positions, cell, MIN_DISTANCE)
  if contact:
    i, j, distance = contact
    first, second = (elements.symbol(int(numbers[k])) for k in (i, j))
    reasons.append(
      f'atoms {i} ({first}) and {j} ({second}) are {distance:.2f} Å apart, '
      f'less than {MIN_DISTANCE} Å'
    )
  reasons += _other_unit(numbers, positions, cell)
  if reasons:
    raise ValueError('; '.join(reasons))
  return Crystal(numbers=numbers, positions=positions, cell=cell)


def _other_unit(
  numbers: Int[np.ndarray, 'N'],
  positions: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> list[str]:
  """Why lengths are in another unit than Å; empty if they may be in Å.

  One pair of atoms that touch is another fault: every atom has to be too near
  to its nearest neighbour, or too far from it.
  """
  volume = abs(np.linalg.det(cell)) / len(numbers)
  if volume < _MIN_ATOM_VOLUME:
    return [
      f'{volume:.2g} Å³ per atom is less than any crystal has: are the lengths '
      'in nm or Bohr? Convert them to Å'
    ]
  if _USUAL_VOLUMES[0] < volume < _USUAL_VOLUMES[1]:
    return []
  radii = ase.data.covalent_radii[numbers]
  reduced, _ = lattice.minkowski_reduce(cell)
  own = float(np.linalg.norm(reduced[0]))
  too_near, too_far = True, len(numbers) > 1
  for i in range(len(numbers)):
    distance = contacts.distances(positions[i : i + 1], positions, reduced)[0]
    distance[i] = own
    share = float((distance / (radii[i] + radii)).min())
    too_near = too_near and share < _MIN_RADII_SHARE
    too_far = too_far and float(distance.min()) > _MAX_SPACING
    if not too_near and not too_far:
      return []
  if too_near:
    return [
      f'each atom is closer to another one than {_MIN_RADII_SHARE} of their '
      'covalent radii, as in no crystal: are the lengths in nm or Bohr? '
      'Convert them to Å'
    ]
  return [
    f'no two atoms are within {_MAX_SPACING:g} Å of each other: are the '
    'lengths in pm? Convert them to Å'
  ]


def check_occupancy(label: str, occupancy: str | float) -> None:
  """Refuses a site that is not fully occupied; '.' and '?' mean unknown.

  Raises:
    ValueError: If the occupancy is not a number, or is not 1.
  """
  if occupancy in ('.', '?'):
    return
  try:
    value = float(occupancy)
  except (TypeError, ValueError):
    raise ValueError(
      f'occupancy of site {label} is not a number: {occupancy!r}'
    ) from None
  if not abs(value - 1) <= _OCCUPANCY_TOLERANCE:
    raise ValueError(
      f'partial occupancy: site {label} has occupancy {occupancy}; give an '
      'ordered structure'
    )


def check_decoded(crystal: Crystal) -> Crystal | str:
  """The right-handed decoded crystal, or the reason why it is not valid."""
  lengths = np.linalg.norm(crystal.cell, axis=1)
  if not (
    (_MIN_DECODED_LENGTH < lengths) & (lengths < _MAX_DECODED_LENGTH)
  ).all():
    return f'the decoded lattice vectors are {np.round(lengths, 3)} Å long'
  try:
    return lattice.right_handed(check_crystal(crystal))
  except ValueError as error:
    return f'the decoded crystal is not valid: {error}'
