"""The sites of a CIF, checked and multiplied by its symmetry.

gemmi parses the file, forty times as fast as ASE. The sites are multiplied
here, one by one, so that two sites on the same place are seen, and a species is
never guessed.
"""

from __future__ import annotations

import codecs
import dataclasses
import re
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import ase
import numpy as np
from jaxtyping import Float

from crystal_jax.io import cif_symmetry
from crystal_jax.structure import elements, validation

if TYPE_CHECKING:  # Imported late: only who reads a CIF needs it.
  import gemmi

# What is not ASCII means nothing in a CIF, and gemmi stops at it.
_ASCII = bytes(range(128)) + b'-' * 128

_OPERATIONS = (
  '_space_group_symop_operation_xyz',
  '_space_group_symop.operation_xyz',
  '_symmetry_equiv_pos_as_xyz',
)
_NUMBERS = (
  '_space_group_IT_number',
  '_space_group.IT_number',
  '_symmetry_Int_Tables_number',
)
_NAMES = (
  '_space_group_name_H-M_alt',
  '_symmetry_space_group_name_H-M',
  '_space_group.name_H-M_alt',
)
_CELL = (
  *(f'_cell_length_{x}' for x in 'abc'),
  *(f'_cell_angle_{x}' for x in ('alpha', 'beta', 'gamma')),
)


@dataclasses.dataclass(frozen=True)
class Block:
  """One structure of a CIF, not yet checked."""

  tags: gemmi.cif.Block

  def to_ase(self) -> ase.Atoms:
    """All atoms of the cell.

    Raises:
      ValueError: If the cell or a coordinate is missing or no number, a species
        is unknown, a site is partly occupied, or the symmetry is unclear.
    """
    names = _names(self.tags)
    if len(set(names)) < len(names):
      twice = next(name for name in names if names.count(name) > 1)
      raise ValueError(f'{twice} is there twice')
    cell = self._cell()
    species = self._species()
    sites = self._sites(cell)
    labels = self._column('_atom_site_label') or species
    if len(species) != len(sites):
      raise ValueError(f'{len(species)} species for {len(sites)} sites')
    occupancies = self._column('_atom_site_occupancy') or []
    for label, occupancy in zip(labels, occupancies, strict=False):
      validation.check_occupancy(
        label, occupancy if occupancy in ('.', '?') else _number(occupancy)
      )
    rotations, translations = self._operations(cell)
    numbers = np.array([elements.number(name) for name in species])
    if len(rotations) == 1:
      images = (sites @ rotations[0].T + translations[0]) % 1.0
    else:
      orbits = [
        cif_symmetry.orbit(site, rotations, translations, cell.array)
        for site in sites
      ]
      numbers = np.repeat(numbers, [len(orbit) for orbit in orbits])
      images = np.concatenate(orbits)
    return ase.Atoms(
      numbers, positions=images @ cell.array, cell=cell, pbc=True
    )

  def _column(self, name: str) -> list[str]:
    """A loop's column; one value outside a loop is a column of one."""
    # Most values are not quoted; to take the quotes off costs time.
    return [
      _string(value) if value[:1] in '"\';' else value
      for value in self.tags.find_values(name)
    ]

  def _value(self, names: tuple[str, ...]) -> str | None:
    """The first of several tags that says something."""
    for name in names:
      for value in self._column(name):
        if value not in ('.', '?'):
          return value
    return None

  def _cell(self) -> ase.cell.Cell:
    columns = [self._column(name) for name in _CELL]
    if not all(columns):
      raise ValueError('no cell: _cell_length_a and so on are missing')
    parameters = _floats([column[0] for column in columns], 'cell parameters')
    if (parameters <= 0).any():
      raise ValueError(
        f'cell parameters {parameters.tolist()} are not positive'
      )
    lengths, angles = parameters[:3], parameters[3:]
    cosines = np.where(angles == 90, 0.0, np.cos(np.radians(angles)))
    volume = 1 - (cosines**2).sum() + 2 * cosines.prod()
    if not volume > 1e-12:
      raise ValueError(f'cell parameters {parameters.tolist()} span no volume')
    # a along x, b in the xy plane.
    alpha, beta, gamma = cosines
    sine = np.sqrt(1 - gamma**2)
    unit = [
      [1, 0, 0],
      [gamma, sine, 0],
      [beta, (alpha - beta * gamma) / sine, np.sqrt(volume) / sine],
    ]
    return ase.cell.Cell(lengths[:, None] * unit)

  def _species(self) -> list[str]:
    symbols = self._column('_atom_site_type_symbol')
    if symbols:
      return symbols
    labels = self._column('_atom_site_label')
    if not labels:
      raise ValueError('sites have neither type symbols nor labels')
    return [_species_of_label(label) for label in labels]

  def _sites(self, cell: ase.cell.Cell) -> Float[np.ndarray, 'S 3']:
    for kind in 'fract', 'cartn':
      columns = [self._column(f'_atom_site_{kind}_{x}') for x in 'xyz']
      if all(columns):
        sites = np.stack([_floats(c, 'coordinates') for c in columns], axis=1)
        return cell.scaled_positions(sites) if kind == 'cartn' else sites
    raise ValueError('no atoms: sites have no coordinates')

  def _operations(self, cell: ase.cell.Cell):
    """Rotations [S, 3, 3] and translations [S, 3], centring included."""
    for name in _OPERATIONS:
      listed = self._column(name)
      if listed:
        return cif_symmetry.parse_operations(listed, cell)
    number, name = self._value(_NUMBERS), self._value(_NAMES)
    if number is None and name is None:
      return np.eye(3)[None], np.zeros((1, 3))
    return cif_symmetry.named_group(name, number, cell)


def blocks(file: IO) -> Iterator[Block]:
  """The structures of a CIF: its blocks with atom sites."""
  import gemmi

  data = file.read()
  if isinstance(data, str):
    data = data.encode()
  data = data.removeprefix(codecs.BOM_UTF8).translate(_ASCII)
  data = data.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
  # Level 0: one name may head two blocks.
  for tags in gemmi.cif.read_string(data, check_level=0):
    if any(name.startswith('_atom_site_') for name in _names(tags)):
      yield Block(tags)


def _species_of_label(label: str) -> str:
  """The element that opens a label: 'Ti1' is Ti, 'O2A' and 'OW1' are O."""
  match = re.match(r'([A-Z])([a-z]?)(?![a-z])([A-Z]?)', label)
  if not match:
    raise ValueError(f'unknown species {label!r}')
  first, second, capital = match.groups()
  if capital and not second:
    try:
      elements.number(first + capital.lower())
    except ValueError:
      return first
    raise ValueError(
      f'unknown species: label {label!r} may mean {first} or '
      f'{first}{capital.lower()}; add _atom_site_type_symbol'
    )
  return first + second


def _names(tags: gemmi.cif.Block) -> list[str]:
  """All tags of a block, in small letters."""
  names = []
  for item in tags:
    names += item.loop.tags if item.loop else item.pair[:1] if item.pair else []
  return [name.lower() for name in names]


def _string(value: str) -> str:
  import gemmi

  return gemmi.cif.as_string(value)


def _number(value: str) -> float:
  """A number, perhaps with its uncertainty: 0.305(2); otherwise NaN."""
  import gemmi

  return gemmi.cif.as_number(value)


def _floats(values: list[str], what: str) -> Float[np.ndarray, 'S']:
  numbers = np.array([_number(value) for value in values])
  if np.isnan(numbers).any():
    raise ValueError(f'{what} that are no numbers: {values}')
  return numbers
