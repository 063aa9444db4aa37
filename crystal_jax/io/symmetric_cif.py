"""CIF text of a crystal with its space group, in the standard setting.

spglib finds the space group within a tolerance and idealizes the conventional
cell. Each orbit is written as one site, with all symmetry operations.
"""

from __future__ import annotations

import collections
import math

import ase
import numpy as np
import spglib

from crystal_jax.io import group_names, operations
from crystal_jax.io.operation_text import format_operation
from crystal_jax.structure import elements, lattice
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.primitive import quietly

_TEMPLATE = """data_{name}
_symmetry_space_group_name_H-M '{hm}'
_symmetry_Int_Tables_number {number}
_cell_length_a {a:.10g}
_cell_length_b {b:.10g}
_cell_length_c {c:.10g}
_cell_angle_alpha {alpha:.10g}
_cell_angle_beta {beta:.10g}
_cell_angle_gamma {gamma:.10g}
_cell_volume {volume:.10g}
_cell_formula_units_Z {units}
_chemical_formula_sum '{formula}'

loop_
_symmetry_equiv_pos_site_id
_symmetry_equiv_pos_as_xyz
{operations}

loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_symmetry_multiplicity
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def text(crystal: Crystal, symprec: float) -> str:
  """The CIF of a crystal, made exactly symmetric.

  Args:
    crystal: One crystal; may have empty slots.
    symprec: Largest distance of an atom from its symmetric position, Å.

  Raises:
    ValueError: If the tolerance is not positive, or no symmetry is found.
  """
  if not 0 < symprec < math.inf:
    raise ValueError(f'need a positive {symprec=}, in Å')
  atoms = lattice.right_handed(crystal).to_ase()
  given = atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers
  standard = quietly(
    spglib.standardize_cell,
    given,
    to_primitive=False,
    no_idealize=False,
    symprec=symprec,
  )
  found = standard and quietly(
    spglib.get_symmetry_dataset, standard, symprec=min(symprec, 1e-3)
  )
  if not found:
    raise ValueError(
      f'no space group is found within {symprec=} Å; try a smaller one'
    )
  cell, fractional, numbers = standard
  group = operations.Operations(found.rotations, found.translations)
  parameters = ase.cell.Cell(cell).cellpar()
  names = 'a', 'b', 'c', 'alpha', 'beta', 'gamma'
  counts = collections.Counter(numbers.tolist())
  units = math.gcd(*counts.values())
  formula = ' '.join(
    f'{elements.symbol(z)}{counts[z] // units}' for z in sorted(counts)
  )
  return _TEMPLATE.format(
    name=formula.replace(' ', ''),
    hm=group_names.hermann_mauguin(group) or found.international,
    number=found.number,
    volume=abs(np.linalg.det(cell)),
    units=units,
    formula=formula,
    operations='\n'.join(
      f"{i + 1} '{format_operation(*operation)}'"
      for i, operation in enumerate(zip(*group, strict=True))
    ),
    sites='\n'.join(_sites(fractional, numbers, found.equivalent_atoms)),
    **dict(zip(names, parameters, strict=True)),
  )


def _sites(fractional, numbers, orbits) -> list[str]:
  """A line per orbit: label, symbol, multiplicity, position, occupancy."""
  lines = []
  labels: collections.Counter = collections.Counter()
  for first, multiplicity in sorted(
    collections.Counter(orbits.tolist()).items()
  ):
    symbol = elements.symbol(int(numbers[first]))
    labels[symbol] += 1
    x, y, z = fractional[first] % 1.0
    lines.append(
      f'{symbol}{labels[symbol]} {symbol} {multiplicity} '
      f'{x:.10f} {y:.10f} {z:.10f} 1'
    )
  return lines
