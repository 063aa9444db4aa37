"""Scene of one crystal for a page, as plain data."""

from __future__ import annotations

import dataclasses
from typing import Any

import ase
import ase.data
import ase.neighborlist
import numpy as np
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from jaxtyping import Float

from crystal_jax.structure.crystal import Crystal

# Two metals are bonded only where there is no element of these.
_NONMETALS = frozenset(
  ase.data.atomic_numbers[symbol]
  for symbol in 'H B C N O F Si P S Cl Ge As Se Br Te I'.split()
)
# Atoms nearer than this times the sum of their covalent radii are bonded.
_BOND = 1.15
# An atom nearer to a face of the cell than this (fractional) is drawn on the
# opposite face too.
_FACE = 0.01
# Radius of an atom over its covalent radius, alone and inside an isosurface,
# which would not be seen around larger atoms and their bonds.
_RADIUS = 0.35
_RADIUS_IN_SURFACE = 0.1
# Corners of the cell, and the pairs of them that are edges.
_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES = [
  (a, b)
  for a in range(8)
  for b in range(a)
  if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1
]


@dataclasses.dataclass(frozen=True)
class Panel:
  """One crystal of a page.

  Attributes:
    crystal: Crystal to draw.
    title: A caption; '': the formula and the space group.
    density: On a `CellGrid` of this crystal, drawn as an isosurface; None: no
      surface.
    level: Level of the isosurface, as a share of the density's maximum.
  """

  crystal: Crystal
  title: str = ''
  density: Float[np.ndarray, 'X Y Z'] | None = None
  level: float = 0.05


def scene(panel: Panel) -> dict[str, Any]:
  """A panel as JSON: atoms with bonds, cell edges, legend, a cube file."""
  atoms = panel.crystal.to_ase()
  with_faces = _with_faces(atoms)
  return {
    'title': panel.title or caption(atoms),
    'atoms': _atoms(with_faces, in_surface=panel.density is not None),
    'edges': [
      [(_CORNERS[end] @ atoms.cell.array).round(3).tolist() for end in edge]
      for edge in _EDGES
    ],
    'legend': [
      [symbol, _color(number)]
      for symbol, number in sorted(
        set(zip(with_faces.symbols, with_faces.numbers.tolist(), strict=True))
      )
    ],
    **_surface(panel, atoms.cell.array),
  }


def caption(atoms: ase.Atoms, symprec: float = 0.01) -> str:
  """Formula, space group and lattice parameters.

  Args:
    atoms: The crystal.
    symprec: Tolerance of the space group, Å.
  """
  import spglib

  cell = atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers
  try:
    group = spglib.get_spacegroup(cell, symprec=symprec) or ''
  except Exception:  # spglib raises errors of its own on unusual cells.
    group = ''
  lengths = ', '.join(f'{length:.2f}' for length in atoms.cell.lengths())
  angles = ', '.join(f'{angle:.0f}' for angle in atoms.cell.angles())
  formula = atoms.get_chemical_formula(mode='metal')
  return f'{formula}, {group}; {lengths} Å; {angles}°'


def _with_faces(atoms: ase.Atoms) -> ase.Atoms:
  """The atoms of the cell, those on faces on the opposite faces too."""
  scaled = atoms.get_scaled_positions(wrap=True)
  scaled = np.where(scaled > 1 - _FACE, scaled - 1, scaled)
  positions, numbers = [], []
  for place, number in zip(scaled, atoms.numbers, strict=True):
    choices = [(0, 1) if x < _FACE else (0,) for x in place]
    for shift in np.stack(np.meshgrid(*choices), -1).reshape(-1, 3):
      positions.append(place + shift)
      numbers.append(number)
  return ase.Atoms(numbers, scaled_positions=positions, cell=atoms.cell)


def _atoms(atoms: ase.Atoms, in_surface: bool) -> list[dict[str, Any]]:
  """3Dmol's atom specifications; in a surface, small and without bonds."""
  scale = _RADIUS_IN_SURFACE if in_surface else _RADIUS
  reach = _BOND * covalent_radii[atoms.numbers]
  first, second = ase.neighborlist.neighbor_list('ij', atoms, reach)
  nonmetal = np.isin(atoms.numbers, [*_NONMETALS])
  if nonmetal.any():
    kept = nonmetal[first] | nonmetal[second]
    first, second = first[kept], second[kept]
  specs = []
  for index, (symbol, position) in enumerate(
    zip(atoms.symbols, atoms.positions.round(3).tolist(), strict=True)
  ):
    bonds = [] if in_surface else second[first == index].tolist()
    specs.append(
      dict(zip('xyz', position, strict=True))
      | {
        'elem': symbol,
        'color': _color(atoms.numbers[index]),
        'radius': round(scale * float(covalent_radii[atoms.numbers[index]]), 3),
        'bonds': bonds,
        'bondOrder': [1] * len(bonds),
      }
    )
  return specs


def _color(number: int) -> str:
  red, green, blue = (np.asarray(jmol_colors[number]) * 255).astype(int)
  return f'#{red:02x}{green:02x}{blue:02x}'


def _surface(panel: Panel, cell: np.ndarray) -> dict[str, Any]:
  """The density as a cube file without atoms, and the level of its surface."""
  if panel.density is None:
    return {'cube': '', 'level': 0.0}
  level = float(np.max(panel.density) * panel.level)
  lines = ['density', '', '0 0.0 0.0 0.0']
  steps = cell / _BOHR / np.reshape(panel.density.shape, (3, 1))
  density = np.pad(panel.density, (0, 1), mode='wrap')  # To opposite faces.
  for size, step in zip(density.shape, steps, strict=True):
    lines.append(f'{size} ' + ' '.join(f'{x:.6f}' for x in step))
  # Values far below the level are zeros, which are short.
  values = density.ravel()
  floor = 0.1 * level
  lines.append(' '.join('0' if v < floor else f'{v:.3g}' for v in values))
  return {'cube': '\n'.join(lines), 'level': level}


# Å; lengths of a cube file are in Bohr.
_BOHR = 0.529177210903
