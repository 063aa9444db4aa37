"""The sites of a CIF, checked and multiplied by its symmetry.

ASE parses the file and gemmi knows the symmetry, every setting by its name. The
sites are multiplied here, one by one, because ASE keeps one atom where two
sites fall on the same place, and reads FE as fluorine.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

import ase
import ase.io.cif
import numpy as np
from jaxtyping import Float

from crystal_jax import elements

# Images of one site closer than this, Å, are one atom on a special position
# whose coordinates were rounded.
_SAME_SITE = 0.1

# Tags in the order they are asked for, as ASE writes them: lower case.
_OPERATIONS = (
  '_space_group_symop_operation_xyz',
  '_space_group_symop.operation_xyz',
  '_symmetry_equiv_pos_as_xyz',
)
_GROUP_NAME = (
  '_space_group_name_h-m_alt',
  '_symmetry_space_group_name_h-m',
  '_space_group.name_h-m_alt',
)
_GROUP_NUMBER = (
  '_space_group_it_number',
  '_space_group.it_number',
  '_symmetry_int_tables_number',
)


@dataclasses.dataclass(frozen=True)
class Block:
  """One structure of a CIF, not yet checked."""

  tags: ase.io.cif.CIFBlock

  def to_ase(self) -> ase.Atoms:
    """All atoms of the cell.

    Raises:
      ValueError: If the cell or a coordinate is missing or no number, a species
        is unknown, a site is partly occupied, or the symmetry is unclear.
    """
    cell = self._cell()
    species = self._species()
    sites = self._sites(cell)
    labels = _column(self.tags, '_atom_site_label') or species
    if len(species) != len(sites):
      raise ValueError(f'{len(species)} species for {len(sites)} sites')
    for label, occupancy in zip(
      labels, _column(self.tags, '_atom_site_occupancy') or [], strict=False
    ):
      check_occupancy(label, occupancy)
    rotations, translations = self._operations(cell)
    orbits = [
      _orbit(site, rotations, translations, cell.array) for site in sites
    ]
    numbers = [
      elements.number(name)
      for name, orbit in zip(species, orbits, strict=True)
      for _ in orbit
    ]
    return ase.Atoms(
      numbers,
      scaled_positions=np.concatenate(orbits),
      cell=cell,
      pbc=True,
    )

  def _cell(self) -> ase.cell.Cell:
    parameters = self.tags.get_cellpar()
    if parameters is None:
      raise ValueError('no cell: _cell_length_a and so on are missing')
    parameters = _floats(parameters, 'cell parameters')
    if (parameters <= 0).any():
      raise ValueError(
        f'cell parameters {parameters.tolist()} are not positive'
      )
    cosines = np.cos(np.radians(parameters[3:]))
    if not 1 - (cosines**2).sum() + 2 * cosines.prod() > 1e-12:
      raise ValueError(f'cell parameters {parameters.tolist()} span no volume')
    return ase.cell.Cell.new(parameters)

  def _species(self) -> list[str]:
    symbols = _column(self.tags, '_atom_site_type_symbol')
    if symbols is not None:
      return [str(symbol) for symbol in symbols]
    labels = _column(self.tags, '_atom_site_label')
    if labels is None:
      raise ValueError('sites have neither type symbols nor labels')
    return [_species_of_label(str(label)) for label in labels]

  def _sites(self, cell: ase.cell.Cell) -> Float[np.ndarray, 'S 3']:
    for kind in 'fract', 'cartn':
      columns = [_column(self.tags, f'_atom_site_{kind}_{x}') for x in 'xyz']
      if None not in columns:
        sites = _floats(columns, 'coordinates').T
        return cell.scaled_positions(sites) if kind == 'cartn' else sites
    raise ValueError('no atoms: sites have no coordinates')

  def _operations(self, cell: ase.cell.Cell):
    """Rotations [S, 3, 3] and translations [S, 3], centring included."""
    import gemmi  # only a CIF needs it

    listed = self._first(_OPERATIONS)
    name, number = self._first(_GROUP_NAME), self._first(_GROUP_NUMBER)
    if listed:
      operations = [gemmi.Op(str(text)) for text in listed]
    elif name or number:
      group = _space_group(name and str(name[0]), number and number[0], cell)
      operations = list(group.operations())
    else:
      operations = [gemmi.Op('x,y,z')]
    rotations = np.array([op.rot for op in operations], float)
    translations = np.array([op.tran for op in operations], float)
    return rotations / gemmi.Op.DEN, translations / gemmi.Op.DEN

  def _first(self, names: Sequence[str]) -> list | None:
    """What the first of these tags that says something holds."""
    for name in names:
      column = _column(self.tags, name)
      if column and str(column[0]).strip() not in ('', '?', '.'):
        return column
    return None


def blocks(file: IO) -> Iterator[Block]:
  """The structures of a CIF: its blocks with atom sites."""
  data = file.read()
  if isinstance(data, bytes):
    data = data.removeprefix(codecs.BOM_UTF8).decode('latin1')
  for tags in ase.io.cif.parse_cif_ase(io.StringIO(data)):
    if any(tag.startswith('_atom_site_') for tag in tags):
      yield Block(tags)


def check_occupancy(label: str, occupancy: Any) -> None:
  """Refuses a site that is not fully occupied; '.' and '?' say nothing."""
  if occupancy in ('.', '?'):
    return
  if abs(float(occupancy) - 1) > 1e-3:
    raise ValueError(
      f'partial occupancy: site {label} has occupancy {occupancy}'
    )


def _space_group(name, number, cell):
  """A `gemmi.SpaceGroup` by name: a wrong guess would be wrong atoms.

  Only the number: the standard setting. Hexagonal or rhombohedral, if the name
  does not say it, is told from the cell; one of two origins can't be.
  """
  import gemmi

  unclear = ValueError(
    f'space group {name or number} does not tell which setting is meant; list '
    'its symmetry operations'
  )
  try:
    number = int(number) if number else None
  except ValueError:
    raise unclear from None
  if name is None:
    group = gemmi.find_spacegroup_by_number(number)
    name = group.hm if group else ''
  alpha, _, gamma = cell.angles()
  group = gemmi.find_spacegroup_by_name(name, alpha, gamma)
  if group is None or number not in (None, group.number):
    raise unclear
  if group.ext in ('1', '2') and ':' not in name:
    raise unclear
  return group


def _orbit(
  site: Float[np.ndarray, '3'],
  rotations: Float[np.ndarray, 'S 3 3'],
  translations: Float[np.ndarray, 'S 3'],
  cell: Float[np.ndarray, '3 3'],
) -> Float[np.ndarray, 'M 3']:
  """The distinct images of one site in the cell, fractional."""
  images = (rotations @ site + translations) % 1.0
  kept = images[:1]
  for image in images[1:]:
    apart = kept - image
    apart = (apart - np.round(apart)) @ cell
    if (np.linalg.norm(apart, axis=-1) > _SAME_SITE).all():
      kept = np.concatenate([kept, image[None]])
  return kept


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


def _column(tags: ase.io.cif.CIFBlock, name: str) -> list | None:
  """A loop's column; one site outside a loop is a column of one."""
  value = tags.get(name)
  if value is None:
    return None
  is_column = isinstance(value, Sequence) and not isinstance(value, str)
  return list(value) if is_column else [value]


def _floats(values, what: str) -> np.ndarray:
  try:
    return np.asarray(values, float)
  except (TypeError, ValueError) as error:
    raise ValueError(f'{what} that are no numbers: {values}') from error
