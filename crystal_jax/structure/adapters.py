"""Crystals as other libraries hold them: ASE's Atoms, pymatgen's Structure.

pymatgen is not imported: what has sites is taken for one of its objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ase
import numpy as np

from crystal_jax.structure import validation
from crystal_jax.structure.crystal import Crystal, unstack


def listed(crystals: Any) -> list[Any]:
  """One crystal, a batch, or any number of them, as a list.

  Raises:
    TypeError: If it is neither.
  """
  if isinstance(crystals, Crystal) and np.ndim(crystals.numbers) == 2:
    return unstack(crystals)
  if isinstance(crystals, Crystal | ase.Atoms) or _is_pymatgen(crystals):
    return [crystals]
  if isinstance(crystals, str) or not isinstance(crystals, Iterable):
    raise TypeError(
      f'Need crystals, not {type(crystals).__name__}; crystal_jax.read(path) '
      'gives the crystal of a file.'
    )
  return list(crystals)


def to_crystal(item: Any) -> Crystal:
  """The crystal that an object of any of these libraries stands for.

  Raises:
    ValueError: With the reason, if it is none of whole atoms: no lattice, no
      atoms, partial occupancy, an unknown species, atoms closer than 0.4 Å.
  """
  if isinstance(item, Crystal):
    return validation.check_atoms(_plain(item))
  if isinstance(item, ase.Atoms):
    return validation.check_atoms(item)
  if _is_pymatgen(item):
    return validation.check_atoms(_atoms(item))
  raise ValueError(
    f'{type(item).__name__} is no crystal: need a Crystal, ASE Atoms or a '
    'pymatgen Structure'
  )


def _plain(crystal: Crystal) -> ase.Atoms:
  if np.ndim(crystal.numbers) != 1:
    raise ValueError('a batch of crystals within a list of crystals')
  return crystal.to_ase()


def _is_pymatgen(item: Any) -> bool:
  return hasattr(item, 'sites') and hasattr(item, 'is_ordered')


def _atoms(structure: Any) -> ase.Atoms:
  lattice = getattr(structure, 'lattice', None)
  if lattice is None:
    raise ValueError('no lattice: a molecule')
  for place, site in enumerate(structure.sites):
    if not site.is_ordered:
      raise ValueError(
        f'partial occupancy: site {place} holds {site.species_string}'
      )
    if not isinstance(getattr(site.specie, 'Z', None), int) or (
      site.specie.Z < 1
    ):
      raise ValueError(f'unknown species {site.species_string}')
  return ase.Atoms(
    numbers=[site.specie.Z for site in structure.sites],
    positions=np.reshape([site.coords for site in structure.sites], (-1, 3)),
    cell=lattice.matrix,
    pbc=lattice.pbc,
  )
