"""Checks that every crystal passes, whether read from a file or decoded."""

from __future__ import annotations

import ase
import numpy as np

from crystal_jax.structure.contacts import first_contact
from crystal_jax.structure.crystal import MIN_DISTANCE, Crystal

# Shortest and longest lattice vector of a decoded crystal, Å.
_LENGTHS = 0.5, 1000.0


def check_atoms(atoms: ase.Atoms) -> Crystal:
  """Returns the crystal of ASE atoms; refuses what is not a whole crystal.

  Raises:
    ValueError: If there are no atoms, no cell or a flat one, partial
      occupancy, an unknown species, or atoms closer than 0.4 Å.
  """
  if not len(atoms):
    raise ValueError('no atoms')
  if not atoms.cell.any():
    raise ValueError('no cell')
  # ASE notes occupancies in two ways.
  kinds = atoms.info.get('occupancy')
  for kind in kinds.values() if isinstance(kinds, dict) else ():
    for species, occupancy in kind.items():
      check_occupancy(species, occupancy)
  column = atoms.arrays.get('occupancy', ())
  for species, occupancy in zip(atoms.symbols, column, strict=False):
    check_occupancy(species, occupancy)
  crystal = Crystal.from_ase(atoms)
  contact = first_contact(crystal.positions, crystal.cell, MIN_DISTANCE)
  if contact:
    i, j, distance = contact
    raise ValueError(
      f'atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) are '
      f'{distance:.2f} Å apart, less than {MIN_DISTANCE} Å'
    )
  return crystal


def check_occupancy(label: str, occupancy: str | float) -> None:
  """Refuses a site that is not fully occupied; '.' and '?' mean unknown."""
  if occupancy in ('.', '?'):
    return
  if not abs(float(occupancy) - 1) <= 1e-3:
    raise ValueError(
      f'partial occupancy: site {label} has occupancy {occupancy}'
    )


def check_decoded(crystal: Crystal) -> Crystal | str:
  """Returns a decoded crystal, or the reason why it is not valid."""
  lengths = np.linalg.norm(crystal.cell, axis=1)
  if not ((_LENGTHS[0] < lengths) & (lengths < _LENGTHS[1])).all():
    return f'the decoded lattice vectors are {np.round(lengths, 3)} Å long'
  try:
    return check_atoms(crystal.to_ase())
  except ValueError as error:
    return f'the decoded crystal is not valid: {error}'
