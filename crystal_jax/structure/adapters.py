"""Conversion of objects of this package, ASE and pymatgen to crystals.

All crystals in memory are converted and checked by `to_crystals`. pymatgen is
not imported: its structures are recognised by their attributes.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

import ase
import ase.data
import numpy as np

from crystal_jax.structure import validation
from crystal_jax.structure.crystal import Crystal, unstack


@dataclasses.dataclass(frozen=True)
class Refused:
  """An object that is not a crystal of whole atoms.

  Attributes:
    reason: What is wrong with the object, and what to do.
  """

  reason: str


def to_crystals(items: Any) -> list[Crystal | Refused]:
  """Crystals of one object or of several, each checked.

  Args:
    items: A Crystal, a batch of crystals, ASE Atoms, a pymatgen Structure, or
      an iterable of these. A `Refused` in the iterable is passed on.

  Returns:
    One entry per object: a crystal in float64 without empty slots, or the
    reason why the object is not one: no lattice, no atoms, partial occupancy,
    an unknown species, atoms closer than 0.4 Å.

  Raises:
    TypeError: If `items` is neither an object nor an iterable of objects.
  """
  results: list[Crystal | Refused] = []
  for item in as_list(items):
    try:
      results.append(to_crystal(item))
    except ValueError as error:
      results.append(Refused(str(error)))
  return results


def to_crystal(item: Any) -> Crystal:
  """The crystal of one object, checked.

  Raises:
    ValueError: If the object is not a crystal of whole atoms.
  """
  if isinstance(item, Crystal):
    return validation.check_crystal(item)
  if isinstance(item, ase.Atoms):
    return validation.check_atoms(item)
  if _is_pymatgen(item):
    return validation.check_atoms(_pymatgen_to_ase(item))
  if isinstance(item, Refused):
    raise ValueError(item.reason)
  raise ValueError(
    f'{type(item).__name__} is not a crystal: need a Crystal, ASE Atoms or a '
    'pymatgen Structure'
  )


def as_list(items: Any) -> list[Any]:
  """The list of one object, of a batch, or of an iterable of objects.

  Raises:
    TypeError: If `items` is none of these.
  """
  if isinstance(items, Crystal) and np.ndim(items.numbers) == 2:
    return list(unstack(items))
  if isinstance(items, Crystal | ase.Atoms | Refused) or _is_pymatgen(items):
    return [items]
  if isinstance(items, str | bytes | os.PathLike):
    raise TypeError(
      f'Need crystals, not {type(items).__name__}; crystal_jax.read(path) '
      'gives the crystal of a file.'
    )
  if isinstance(items, Mapping) or not isinstance(items, Iterable):
    raise TypeError(
      f'Need crystals, not {type(items).__name__}: a Crystal, ASE Atoms, a '
      'pymatgen Structure, or a list of these.'
    )
  return list(items)


def _is_pymatgen(item: Any) -> bool:
  return hasattr(item, 'sites') and hasattr(item, 'is_ordered')


def _pymatgen_to_ase(structure: Any) -> ase.Atoms:
  """ASE atoms of a pymatgen structure; oxidation states are dropped."""
  lattice = getattr(structure, 'lattice', None)
  if lattice is None:
    raise ValueError('no lattice: a molecule; give it a cell')
  for index, site in enumerate(structure.sites):
    if not site.is_ordered:
      raise ValueError(
        f'partial occupancy: site {index} holds {site.species_string}'
      )
    if not _is_element(site.specie):
      raise ValueError(f'unknown species {site.species_string}')
  return ase.Atoms(
    numbers=[site.specie.Z for site in structure.sites],
    positions=np.reshape([site.coords for site in structure.sites], (-1, 3)),
    cell=lattice.matrix,
    pbc=lattice.pbc,
  )


def _is_element(specie: Any) -> bool:
  """Whether a pymatgen species is an element; a dummy's Z is a hash."""
  number, name = getattr(specie, 'Z', None), getattr(specie, 'symbol', None)
  symbols = ase.data.chemical_symbols
  if not isinstance(number, int) or not 0 < number < len(symbols):
    return False
  return name == symbols[number] or (number == 1 and name in ('D', 'T'))
