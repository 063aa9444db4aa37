"""Whether a sampled crystal is valid, and which criteria it does not meet."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import spglib

from crystal_jax.generation import conditions
from crystal_jax.generation.request import Request
from crystal_jax.structure import composition, contacts, elements
from crystal_jax.structure.composition import Contents
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
  cell = np.asarray(crystal.cell, np.float64)
  fractional = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', DeprecationWarning)
    atoms: Any = (cell, fractional, np.asarray(crystal.numbers))
    found = spglib.get_symmetry_dataset(atoms, symprec=tolerance)
  return (0, '') if found is None else (found.number, found.international)


def unmet(crystal: Crystal, wanted: Contents, request: Request) -> list[str]:
  """Criteria that a crystal does not meet, as text."""
  missed = []
  if wanted.unit is not None:
    unit = composition.unit_of(np.asarray(crystal.numbers))
    if unit != wanted.unit:
      missed.append(f'composition {composition.formula(wanted.unit)}')
    elif wanted.units and len(crystal.numbers) != (
      wanted.units * wanted.unit_size
    ):
      missed.append(f'{wanted.units * wanted.unit_size} atoms')
  if request.space_group or request.system:
    number, _ = space_group(crystal)
    system = crystal_system(number) if number else ''
    if request.space_group and number != request.space_group:
      missed.append(f'space_group={request.space_group}')
    elif request.system and system != CRYSTAL_SYSTEMS[request.system - 1]:
      missed.append(conditions.describe(0, request.system))
  return missed
