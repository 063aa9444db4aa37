"""OPTIMADE structures in JSON answers, JSON lines and parquet files.

An entry has `lattice_vectors` [3, 3] and `cartesian_site_positions` [N, 3] in Å
and `species_at_sites` [N], at its top level or in `attributes`, as do
Alexandria's OPTIMADE pages and LeMat-Bulk's parquet files. Its other numbers
are properties.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np

from crystal_jax.structure import composition, elements, validation

_BLOCK = 100  # Rows of a parquet file that are read at a time.
_IDS = ('id', 'immutable_id', 'material_id')
_SITES = (
  'lattice_vectors',
  'cartesian_site_positions',
  'species_at_sites',
)
# Structure features that are refused, with the reason: not every site is one
# atom at one position.
_FEATURES = {
  'disorder': 'sites are partly occupied; give an ordered structure',
  'assemblies': 'sites are alternatives; keep one of each assembly',
  'implicit_atoms': 'atoms without positions; add them as sites',
  'unknown_positions': 'atoms without positions; add them as sites',
  'site_attachments': 'atoms attached to sites; add them as sites',
}
# Values of site_coordinate_span that mean all atoms of the cell.
_SPANS = 'unit_cell', 'folded_unit_cell'
_RATIO_TOLERANCE = 0.01  # Ratios of elements are rounded.
_MAX_CONTRADICTION = 0.05  # Å; coordinates differ by rounding only.


@dataclasses.dataclass(frozen=True)
class Entry:
  """One structure, not yet checked."""

  entry: dict[str, Any]

  def to_ase(self) -> ase.Atoms:
    """Its atoms.

    Raises:
      ValueError: If a field is missing or malformed, a species is a mixture, or
        the structure has atoms without positions, or alternatives.
    """
    fields = attributes(self.entry)
    missing = [name for name in _SITES if fields.get(name) is None]
    if missing:
      raise ValueError(f'no atoms: the entry lacks {", ".join(missing)}')
    for feature in fields.get('structure_features') or ():
      if feature in _FEATURES:
        raise ValueError(f'{feature}: {_FEATURES[feature]}')
    if fields.get('assemblies'):
      raise ValueError(f'assemblies: {_FEATURES["assemblies"]}')
    kinds = _kinds(fields.get('species'))
    names = [str(name) for name in fields['species_at_sites']]
    unknown = sorted(set(names) - set(kinds)) if kinds else []
    names = [kinds.get(name, name) for name in names]
    cell, positions = (_array(fields, name) for name in _SITES[:2])
    if positions.shape != (len(names), 3):
      raise ValueError(f'{len(names)} species for positions {positions.shape}')
    if cell.shape != (3, 3):
      raise ValueError(f'lattice_vectors {cell.shape}: need three vectors')
    count = fields.get('nsites')
    if count is not None and count != len(names):
      raise ValueError(f'{len(names)} species, but nsites is {count}')
    _check_contents(fields, cell, positions)
    dimensions = fields.get('nperiodic_dimensions')
    pbc = fields.get('dimension_types') or (1, 1, 1)
    if dimensions is not None and dimensions != sum(map(bool, pbc)):
      raise ValueError(
        f'nperiodic_dimensions is {dimensions}; need a crystal, periodic in 3'
      )
    if len(pbc) != 3:
      raise ValueError(f'dimension_types {pbc}: need three of 0 or 1')
    numbers = [elements.number(name) for name in names]
    if unknown:
      raise ValueError(f'species {unknown[0]!r} of a site is not described')
    _check_formula(fields, numbers)
    return ase.Atoms(
      numbers,
      positions,
      cell=cell,
      pbc=[bool(axis) for axis in pbc],
    )


def is_entry(data: dict[str, Any]) -> bool:
  """Whether an object is an entry."""
  fields = attributes(data)
  return isinstance(fields, dict) and any(name in fields for name in _SITES)


def attributes(entry: dict[str, Any]) -> dict[str, Any]:
  """The fields of an entry."""
  fields = entry.get('attributes')
  return fields if isinstance(fields, dict) and fields else entry


def own_id(entry: dict[str, Any]) -> str:
  """The id of an entry, or ''."""
  for fields in entry, attributes(entry):
    for name in _IDS:
      if fields.get(name):
        return str(fields[name])
  return ''


def read_line(path: str, start: int) -> bytes:
  """The line of a file that begins at a byte."""
  with open(path, 'rb') as file:
    file.seek(start)
    return file.readline()


def blocks(path: str) -> Iterator[tuple[int, int]]:
  """Row group and first row of each block of a parquet file.

  Raises:
    ValueError: If the file is not parquet, or pyarrow is not installed.
  """
  groups = _open(path).metadata
  for group in range(groups.num_row_groups):
    for first in range(0, groups.row_group(group).num_rows, _BLOCK):
      yield group, first


def read_block(path: str, group: int, first: int) -> list[dict[str, Any]]:
  """The rows of one block."""
  return _row_group(path, group).slice(first, _BLOCK).to_pylist()


def _check_contents(fields: dict[str, Any], cell, positions) -> None:
  """Refuses a part of the cell, and fractional positions that contradict."""
  span = fields.get('site_coordinate_span')
  if span is not None and span not in _SPANS:
    raise ValueError(
      f'site_coordinate_span {span!r}: need all sites of the unit cell'
    )
  if fields.get('fractional_site_positions') is None:
    return
  fractional = _array(fields, 'fractional_site_positions')
  if fractional.shape != positions.shape or (
    np.abs(fractional @ cell - positions).max() > _MAX_CONTRADICTION
  ):
    raise ValueError(
      'fractional_site_positions and cartesian_site_positions contradict each '
      'other; delete one of them'
    )


def _check_formula(fields: dict[str, Any], numbers: list[int]) -> None:
  """Refuses a formula, elements or ratios that the sites contradict."""
  unit = composition.unit_of(np.array(numbers))
  counts = dict(unit)
  agrees = {}
  if formula := fields.get('chemical_formula_reduced'):
    agrees['chemical_formula_reduced'] = composition.reduced(formula) == unit
  if listed := fields.get('elements'):
    # D and H are one element.
    shares: dict[int, float] = collections.defaultdict(float)
    ratios = fields.get('elements_ratios') or [np.nan] * len(listed)
    for symbol, ratio in zip(listed, ratios, strict=False):
      is_number = isinstance(ratio, (int, float))
      shares[elements.number(symbol)] += ratio if is_number else np.nan
    agrees['elements'] = shares.keys() == counts.keys()
    agrees['elements_ratios'] = not any(
      abs(share - counts.get(number, 0) / sum(counts.values()))
      > _RATIO_TOLERANCE
      for number, share in shares.items()
    )
  elif count := fields.get('nelements'):
    agrees['nelements'] = count == len(unit)
  for name, is_equal in agrees.items():
    if not is_equal:
      raise ValueError(
        f'{name} is {fields[name]}, but the sites hold '
        f'{composition.formula(unit)}; atoms are missing or too many'
      )


def _kinds(species: Any) -> dict[str, str]:
  """The element of each species.

  Raises:
    ValueError: If one is a mixture, partly empty, or has atoms attached.
  """
  kinds = {}
  for kind in species or ():
    if not isinstance(kind, dict) or 'name' not in kind:
      raise ValueError('a species without a name')
    name = str(kind['name'])
    for share in kind.get('concentration') or (1.0,):
      validation.check_occupancy(name, share)
    if name in kinds:
      raise ValueError(f'species {name} is described twice; keep one')
    if any(kind.get('nattached') or kind.get('attached') or ()):
      raise ValueError(f'species {name}: {_FEATURES["site_attachments"]}')
    symbols = kind.get('chemical_symbols') or [name]
    if len(symbols) > 1:
      raise ValueError(f'partial occupancy: species {name} holds {symbols}')
    kinds[name] = str(symbols[0])
  return kinds


def _array(fields: dict[str, Any], name: str) -> np.ndarray:
  try:
    return np.array(fields[name], np.float64)
  except (TypeError, ValueError):
    raise ValueError(f'{name} are not rows of three numbers') from None


@functools.lru_cache(maxsize=1)
def _row_group(path: str, group: int):
  return _open(path).read_row_group(group)


def _open(path: str):
  try:
    import pyarrow
    import pyarrow.parquet
  except ImportError as error:
    raise ValueError('parquet needs pyarrow: pip install pyarrow') from error
  try:
    return pyarrow.parquet.ParquetFile(path)
  except pyarrow.ArrowException as error:
    raise ValueError('not a parquet file, or damaged') from error
