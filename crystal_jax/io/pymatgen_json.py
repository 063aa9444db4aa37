"""Structures written as JSON by pymatgen; pymatgen is not imported."""

from __future__ import annotations

from typing import Any

import ase
import ase.cell
import numpy as np

from crystal_jax.structure import elements, validation

_MAX_CONTRADICTION = 0.05  # Å; abc and xyz differ by rounding only.


def is_structure(data: dict[str, Any]) -> bool:
  """Whether an object is a Structure, or an entry with one."""
  return (
    ('lattice' in data or '@class' in data)
    and 'sites' in data
    or (isinstance(data.get('structure'), dict))
  )


def read(data: dict[str, Any]) -> tuple[ase.Atoms, str, dict[str, Any]]:
  """Atoms, id and properties of a Structure, or of an entry with one.

  Raises:
    ValueError: If the object is damaged, has no lattice, or a site is partly
      occupied or has no element.
  """
  structure = data.get('structure', data)
  if not isinstance(structure.get('lattice'), dict):
    raise ValueError('no cell: a Molecule of pymatgen, or no lattice')
  cell = _array(structure['lattice'].get('matrix'), (3, 3), 'lattice matrix')
  _check_parameters(structure['lattice'], cell)
  sites = structure.get('sites')
  if not isinstance(sites, list):
    raise ValueError('a Structure of pymatgen without its list of sites')
  numbers, positions = [], []
  for index, site in enumerate(sites):
    numbers.append(_number(site, index))
    positions.append(_position(site, index, cell))
  columns = {k: v for k, v in data.items() if k not in ('structure', 'sites')}
  columns |= data.get('properties') or {}
  pbc = structure['lattice'].get('pbc', [True] * 3)
  atoms = ase.Atoms(numbers, np.reshape(positions, (-1, 3)), cell=cell, pbc=pbc)
  own = data.get('entry_id') or data.get('material_id') or ''
  return atoms, str(own), columns


def _check_parameters(lattice: dict[str, Any], cell) -> None:
  """Refuses lengths and angles that the matrix contradicts."""
  names = 'a', 'b', 'c', 'alpha', 'beta', 'gamma'
  stated = _array([lattice.get(n, np.nan) for n in names], (6,), 'lattice')
  wrong = np.abs(stated - ase.cell.Cell(cell).cellpar()) > _MAX_CONTRADICTION
  if wrong.any():
    name = names[int(wrong.argmax())]
    raise ValueError(
      f'{name} and the matrix of the lattice contradict each other; delete one '
      'of them'
    )


def _position(site: dict[str, Any], index: int, cell) -> np.ndarray:
  """Cartesian position of a site, Å."""
  stated = [
    _array(site[name], (3,), f'{name} of site {index}') @ basis
    for name, basis in (('abc', cell), ('xyz', np.eye(3)))
    if name in site
  ]
  if not stated:
    raise ValueError(f'site {index} of pymatgen has neither abc nor xyz')
  if np.abs(stated[0] - stated[-1]).max() > _MAX_CONTRADICTION:
    raise ValueError(
      f'abc and xyz of site {index} contradict each other; delete one of them'
    )
  return stated[0]


def _number(site: Any, index: int) -> int:
  """The atomic number of a site that one element occupies."""
  species = site.get('species') if isinstance(site, dict) else None
  if not isinstance(species, list) or not species:
    raise ValueError(f'site {index} of pymatgen names no species')
  for one in species:
    if not isinstance(one, dict):
      raise ValueError(f'site {index} of pymatgen names no species')
    validation.check_occupancy(
      f'{index} ({one.get("element")})', one.get('occu', 1)
    )
  if len(species) > 1:
    raise ValueError(f'partial occupancy: site {index} holds several species')
  return elements.number(str(species[0].get('element')))


def _array(value: Any, shape: tuple[int, ...], meaning: str) -> np.ndarray:
  try:
    array = np.array(value, np.float64)
  except (TypeError, ValueError):
    raise ValueError(
      f'{meaning} of pymatgen is not an array of numbers'
    ) from None
  if array.shape != shape:
    raise ValueError(f'{meaning} of pymatgen has shape {array.shape}')
  return array
