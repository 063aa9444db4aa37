"""Read crystals: CIF, POSCAR, extxyz, tables, databases, whatever ASE parses.

A file is read as it means, or refused: partial occupancy, unknown species,
symmetry that is not understood, atoms on top of each other, a missing cell. The
error names the file, the reason and what to do. Cells and positions come as the
file has them, never reduced or standardised.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from crystal_jax.io.structures import check, load, parse_text
from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from crystal_jax.io.reading import items

Path = str | os.PathLike[str]

# Files with one crystal per row, which only `io.reading` lists.
_TABLES = '.csv', '.db', '.npz', '.jsonl', '.parquet'


def read(path: Path, index: int | None = None) -> Crystal:
  """Reads one crystal.

  Args:
    path: A file in any format that `prepare` or ASE reads.
    index: Index of the structure in a file with several; negative: from the
      end.

  Returns:
    The crystal; its symmetry is written out, oxidation states are dropped, and
    deuterium is hydrogen.

  Raises:
    FileNotFoundError: If the file does not exist.
    ValueError: If the file is empty or cannot be parsed, contradicts itself,
      holds several structures and no index is given, or the crystal has partial
      occupancy, no atoms, no cell or one of zero volume, an unknown species, or
      atoms closer than 0.4 Å, images included.
  """
  found = _loaders(path)
  if index is None and len(found) > 1:
    raise ValueError(
      f'{path}: holds {len(found)} structures; choose one with index=0 to '
      f'index={len(found) - 1}, or read_all().'
    )
  index = index or 0
  if not -len(found) <= index < len(found):
    raise ValueError(
      f'{path}: there is no structure {index=} among {len(found)}.'
    )
  return _crystal(path, found, index)


def read_all(path: Path) -> list[Crystal]:
  """Reads every crystal of a file.

  Raises:
    FileNotFoundError: If the file does not exist.
    ValueError: As `read`; one bad structure is enough, and is named.
  """
  found = _loaders(path)
  return [_crystal(path, found, i) for i in range(len(found))]


def parse_cif(text: str, name: str = 'CIF') -> Crystal:
  """Reads the one crystal of a CIF that is a string, such as a table's cell.

  Args:
    text: The CIF.
    name: Name of the crystal in errors.

  Raises:
    ValueError: As `read`.
  """
  try:
    found = parse_text(text, 'cif')
  except ValueError as error:
    raise ValueError(f'{name}: {error}') from error
  if len(found) != 1:
    raise ValueError(f'{name}: holds {len(found)} structures, not one.')
  return _crystal(name, [functools.partial(check, found[0])], 0)


_Loader = Callable[[], Crystal]


def _loaders(path: Path) -> list[_Loader]:
  """One function per structure of a file, which checks and returns it."""
  path = pathlib.Path(path)
  if path.suffix.lower() not in _TABLES or not path.is_file():
    structures = load(path)
    return [functools.partial(check, one) for one in structures]
  # Only tables need it, and it starts processes.
  from crystal_jax.io.reading import items, listing, parse

  loaders: list[_Loader] = []
  for item in listing.list_items([path]):
    if isinstance(item, items.Skip):
      loaders.append(functools.partial(_refuse, item.reason))
    elif item.kind == 'parquet':  # A block of many rows.
      rows = parse.rows(item)
      loaders += [functools.partial(check, row.structure) for row in rows]
    else:
      loaders.append(functools.partial(_check_item, item))
  if not loaders:
    raise ValueError(f'{path}: holds no structure with atoms.')
  return loaders


def _check_item(item: items.Item) -> Crystal:
  """The one crystal of an item."""
  from crystal_jax.io.reading import parse

  rows = list(parse.rows(item))
  if len(rows) != 1:
    raise ValueError(f'holds {len(rows)} structures, not one')
  return check(rows[0].structure)


def _refuse(reason: str) -> Crystal:
  raise ValueError(reason)


def _crystal(path: Path, found: list[_Loader], index: int) -> Crystal:
  where = f'{path}' if len(found) == 1 else f'{path}, structure {index}'
  try:
    return found[index]()
  except ValueError as error:
    raise ValueError(f'{where}: {error}') from error
