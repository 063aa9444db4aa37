"""Checks of the atoms of a CIF against the rest of the file.

The formula, the number of formula units, the multiplicities of the sites, the
attached hydrogens and the disorder groups must agree with the atoms. A file
that contradicts itself is refused: its atoms would be wrong or missing.
"""

from __future__ import annotations

import collections
import string
from collections.abc import Sequence

import ase
import ase.data
import numpy as np
import spglib

from crystal_jax.io.cif_tags import Tags, number
from crystal_jax.structure.primitive import quietly

# Tolerances at which spglib looks for the space group of the atoms, Å.
_SYMPRECS = 1e-3, 1e-2, 0.05, 0.1
# Largest relative difference of a count from the formula, which is rounded.
_COUNT_TOLERANCE = 1e-3


def check_sites(tags: Tags, labels: Sequence[str]) -> None:
  """Refuses hydrogens without positions and alternative positions.

  Raises:
    ValueError: If a site has attached hydrogens, or is one of several
      alternatives.
  """
  attached = tags.column('atom_site_attached_hydrogens') or tags.column(
    'atom_site_implicit_hydrogens'
  )
  for label, value in zip(labels, attached, strict=False):
    if value not in ('.', '?') and not number(value) == 0:
      raise ValueError(
        f'site {label} has {value} attached hydrogens without positions; add '
        'them as sites'
      )
  for label, value in zip(
    labels, tags.column('atom_site_label_alt_id'), strict=False
  ):
    if value not in ('.', '?', ''):
      raise ValueError(
        f'disorder: site {label} is alternative {value}; keep one of them'
      )
  if len(tags.known('atom_site_pdbx_pdb_model_num')) > 1:
    raise ValueError('the sites are those of several models; keep one of them')
  groups = tags.column('atom_site_disorder_group')
  if not groups and (named := tags.known('atom_site_disorder_assembly')):
    raise ValueError(
      f'disorder: assembly {named[0]} has no _atom_site_disorder_group; '
      'keep one of its alternatives'
    )
  assemblies = tags.column('atom_site_disorder_assembly') or ['.'] * len(groups)
  alternatives = collections.defaultdict(set)
  for label, assembly, group in zip(labels, assemblies, groups, strict=False):
    if group in ('.', '?', '0'):
      continue
    alternatives[assembly].add(group)
    has_occupancy = bool(tags.known('atom_site_occupancy'))
    if len(alternatives[assembly]) > 1 or group[0] == '-' or not has_occupancy:
      raise ValueError(
        f'disorder: site {label} is one of several alternatives (group '
        f'{group}); keep one of them'
      )


def check_multiplicities(
  tags: Tags, labels: Sequence[str], orbits: Sequence[int], group_order: int
) -> None:
  """Refuses site multiplicities that differ from the images of the sites.

  Some programs write the order of the site symmetry instead; a column in which
  every entry agrees with one of the two is accepted.

  Raises:
    ValueError: If a multiplicity contradicts the symmetry operations.
  """
  column = [
    *tags.column('atom_site_site_symmetry_multiplicity'),
    *tags.column('atom_site_symmetry_multiplicity'),
  ] or tags.column('atom_site_site_symmetry_order')
  column = column or [  # '4a'
    symbol.rstrip(string.ascii_letters)
    for symbol in tags.column('atom_site_wyckoff_symbol')
  ]
  rows = [
    (label, int(number(value)), count)
    for label, value, count in zip(labels, column, orbits, strict=False)
    if number(value) >= 0
  ]
  if all(value * count == group_order for _, value, count in rows):
    return
  for label, value, count in rows:
    if value != count:
      raise ValueError(
        f'site {label} has multiplicity {value}, but {count} images by the '
        'symmetry operations; correct one of them'
      )


def check_type_numbers(tags: Tags, atoms: ase.Atoms) -> None:
  """Refuses `_atom_type_number_in_cell` that differs from the atoms.

  Args:
    tags: Tags of the block.
    atoms: Atoms of the whole cell.

  Raises:
    ValueError: If another number of atoms of an element is stated.
  """
  stated: dict[str, float] = collections.defaultdict(float)
  for name, value in zip(
    tags.column('atom_type_symbol'),
    tags.column('atom_type_number_in_cell'),
    strict=False,
  ):
    symbol = name.rstrip('+-0123456789')  # 'Na1+'
    symbol = 'H' if symbol in ('D', 'T') else symbol
    if ase.data.atomic_numbers.get(symbol) and number(value) > 0:
      stated[symbol] += number(value)
  found = collections.Counter(atoms.symbols)
  for symbol, count in stated.items():
    if abs(found[symbol] - count) > _COUNT_TOLERANCE * count:
      raise ValueError(
        f'the sites give {found[symbol]} {symbol} in the cell, '
        f'_atom_type_number_in_cell {count:g}; correct one of them'
      )


def formula_contradiction(
  atoms: ase.Atoms, formula: dict[str, float] | None, units: float | None
) -> str | None:
  """Why the atoms contradict the formula; None if they do not.

  Args:
    atoms: Atoms of the whole cell.
    formula: Counts by symbol; of the whole cell if its counts are multiples of
      the formula units, as pymatgen writes it.
    units: Formula units in the cell.
  """
  if formula is None:
    return _units_contradiction(atoms, units)
  stated: dict[str, float] = collections.defaultdict(float)
  for symbol, count in formula.items():
    stated['H' if symbol in ('D', 'T') else symbol] += count
  found = collections.Counter(atoms.symbols)
  ratios = {s: found.get(s, 0) / n for s, n in stated.items() if n}
  names = ' '.join(f'{s}{n:g}' for s, n in formula.items())
  first = next(iter(ratios.values()), 0.0)
  if any(
    abs(r - first) > _COUNT_TOLERANCE * first + 1e-9 for r in ratios.values()
  ):
    return (
      f'the sites give {atoms.get_chemical_formula()}, the formula is {names}; '
      'atoms are missing or too many'
    )
  if units is None:
    return None
  is_cell = all(
    abs(n / units - round(n / units)) < 1e-6 for n in stated.values()
  )
  allowed = [units, 1.0] if is_cell else [units]
  if not any(abs(first - k) <= _COUNT_TOLERANCE * k for k in allowed):
    return (
      f'the sites give {atoms.get_chemical_formula()}, but the cell holds '
      f'{units:g} formula units of {names}; correct the symmetry or the units'
    )
  return None


def _units_contradiction(atoms, units: float | None) -> str | None:
  """Why the atoms are not so many formula units, whatever the formula."""
  if units is None or units != round(units):
    return None
  counts = collections.Counter(atoms.symbols).values()
  if all(count % units == 0 for count in counts):
    return None
  return (
    f'the sites give {atoms.get_chemical_formula()}, which is not {units:g} '
    'formula units of anything; correct the symmetry or _cell_formula_units_Z'
  )


def has_space_group(atoms: ase.Atoms, group: int) -> bool:
  """Whether all atoms together have a space group, by its number."""
  crystal = atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers
  for symprec in _SYMPRECS:
    found = quietly(spglib.get_symmetry_dataset, crystal, symprec=symprec)
    if found is not None and found.number == group:
      return True
  return False


def read_units(tags: Tags) -> float | None:
  """Formula units in the cell; None if they are not stated."""
  value = tags.value('cell_formula_units_z')
  units = number(value) if value else float('nan')
  return units if np.isfinite(units) and units > 0 else None
