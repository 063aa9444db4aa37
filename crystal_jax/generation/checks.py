"""Whether a sampled crystal is valid and has the required symmetry."""

from __future__ import annotations

import numpy as np

from crystal_jax.generation import symmetry
from crystal_jax.generation.request import Request
from crystal_jax.structure import contacts, elements
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.crystal_systems import (
  CRYSTAL_SYSTEMS,
  crystal_system,
)

# Published rule of a valid structure: shortest distance, Å, and smallest volume
# of the cell, Å³.
MIN_DISTANCE, MIN_VOLUME = 0.5, 0.1
# Tolerance of the symmetry of a sampled crystal, Å.
SYMMETRY_TOLERANCE = 0.1


def why_invalid(crystal: Crystal) -> str | None:
  """Why a crystal is not valid by the published rule; None: it is."""
  volume = abs(np.linalg.det(np.asarray(crystal.cell, np.float64)))
  if volume < MIN_VOLUME:
    return f'a cell of {volume:.3f} Å³, below {MIN_VOLUME} Å³'
  contact = contacts.first_contact(
    np.asarray(crystal.positions), np.asarray(crystal.cell), MIN_DISTANCE
  )
  if contact is None:
    return None
  i, j, distance = contact
  first, second = (elements.symbol(int(crystal.numbers[k])) for k in (i, j))
  return (
    f'{first} and {second} are {distance:.2f} Å apart, below {MIN_DISTANCE} Å'
  )


def closest(crystal: Crystal) -> float:
  """Shortest distance of two atoms, images included, Å."""
  matrix = contacts.distance_matrix(
    np.asarray(crystal.positions, np.float64),
    np.asarray(crystal.cell, np.float64),
  )
  return float(matrix.min())


def space_group(
  crystal: Crystal, tolerance: float = SYMMETRY_TOLERANCE
) -> tuple[int, str]:
  """Number and symbol of the space group; 0 and '' if spglib finds none."""
  found = symmetry.symmetry_dataset(crystal, tolerance)
  return (0, '') if found is None else (found.number, found.international)


def unmet(crystal: Crystal, request: Request) -> list[str]:
  """Criteria that a crystal does not meet, as text.

  Only symmetry: a crystal is decoded with exactly the required atoms.
  """
  missed = []
  if request.space_group or request.system:
    number, _ = space_group(crystal)
    system = crystal_system(number) if number else ''
    if request.space_group and number != request.space_group:
      missed.append(f'space_group={request.space_group}')
    elif request.system and system != CRYSTAL_SYSTEMS[request.system - 1]:
      missed.append(f'crystal_system={CRYSTAL_SYSTEMS[request.system - 1]}')
  return missed
