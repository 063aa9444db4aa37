"""Checks of the atoms of a CIF against the rest of the file.

The formula, the number of formula units, the density and the multiplicities of
the sites must agree with the atoms. A file that contradicts itself is refused:
its atoms would be wrong or missing.
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
from crystal_jax.structure.composition import mass_density
from crystal_jax.structure.primitive import quietly

# Tolerances at which spglib looks for the space group of the atoms, Å.
_SYMPRECS = 1e-3, 1e-2, 0.05, 0.1
# Largest relative difference of a count from the formula, which is rounded.
_COUNT_TOLERANCE = 1e-3
# Largest relative difference of a stated density: deuterium becomes hydrogen.
_DENSITY_TOLERANCE = 0.25
_MULTIPLICITIES = (
  'site_symmetry_multiplicity', 'symmetry_multiplicity', 'site_multiplicity',
  'multiplicity', 'site_symmetry_order', 'wyckoff_symbol', 'wyckoff_letter',
  'wyckoff_label',
)  # fmt: skip


def check_multiplicities(
  tags: Tags, labels: Sequence[str], orbits: Sequence[int], group_order: int
) -> None:
  """Refuses site multiplicities that differ from the images of the sites.

  Some programs write the order of the site symmetry instead; a column in which
  every entry agrees with one of the two is accepted.

  Raises:
    ValueError: If a multiplicity contradicts the symmetry operations.
  """
  columns = [tags.column(f'atom_site_{name}') for name in _MULTIPLICITIES]
  column = next(filter(None, columns), [])
  column = [text.rstrip(string.ascii_letters) for text in column]  # '4a'
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


def check_density(tags: Tags, atoms: ase.Atoms) -> None:
  """Refuses a calculated density that differs from that of the atoms.

  Raises:
    ValueError: If it differs by more than a quarter.
  """
  text = tags.value('exptl_crystal_density_diffrn')
  stated = number(text) if text else np.nan
  density = mass_density(atoms.numbers, abs(atoms.cell.volume))
  if stated > 0 and all(  # g/cm³ or kg/m³.
    abs(factor * density / stated - 1) > _DENSITY_TOLERANCE
    for factor in (1, 1000)
  ):
    raise ValueError(
      f'the sites give a density of {density:.3g} g/cm³, but '
      f'_exptl_crystal_density_diffrn is {text}; atoms are missing or too many'
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
