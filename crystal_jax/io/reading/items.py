"""What there is to read: every crystal of files, folders and tables, by name.

Folders are walked in order, links to folders are not followed, and only plain
files are opened, so that nothing here can loop or hang.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
import stat
import sys
from collections.abc import Container, Iterator, Sequence
from typing import Any

from crystal_jax.io.reading import ase_db, compact, frames, optimade

_COMPRESSED = ('.gz', '.bz2', '.xz')
_FORMATS = {
  '.cif': 'cif',
  '.vasp': 'vasp',
  '.xyz': 'extxyz',
  '.extxyz': 'extxyz',
  '.json': 'json',
  '.db': 'db',
  '.csv': 'csv',
  '.npz': 'npz',
  '.jsonl': 'jsonl',
  '.parquet': 'parquet',
}
_VASP = ('POSCAR', 'CONTCAR')
_IDS = ('id', 'material_id')

NOT_A_CRYSTAL = 'no crystal file by its name'


@dataclasses.dataclass(frozen=True)
class Item:
  """One thing to read, mostly one crystal.

  Attributes:
    kind: 'cif', 'vasp', 'extxyz' or 'json': a file; 'text': a CIF in a table;
      'frame', 'db', 'npz' or 'jsonl': one crystal of many in a file; 'parquet':
      some rows of a row group.
    path: Of the file.
    name: What messages call it; of printable characters.
    id: Of its crystal; of several, #0, #1 and so on are appended.
    place: Row in its file, the byte at which a frame or line begins, or the row
      group.
    size: Bytes of a frame, or the first row in the row group.
    text: The CIF of a table's row.
    properties: What a table says of it.
  """

  kind: str
  path: str
  name: str
  id: str
  place: int = 0
  size: int = 0
  text: str = ''
  properties: dict[str, float | str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Skip:
  """What is not read, and why.

  Attributes:
    file: Its name.
    id: Of the crystal.
    reason: In words.
    other: Whether it never claimed to be a crystal.
  """

  file: str
  id: str
  reason: str
  other: bool = False


def find(
  sources: Sequence[str | os.PathLike[str]], leave_out: Container[str] = ()
) -> Iterator[Item | Skip]:
  """Everything in files and folders, in order of their names.

  Args:
    sources: Files and folders.
    leave_out: Real paths of files and folders that are not looked at.

  Raises:
    FileNotFoundError: If one of the sources does not exist.
  """
  for source in map(pathlib.Path, sources):
    if not source.exists():
      raise FileNotFoundError(f'{source}: no such file or folder.')
    if not source.is_dir():
      yield from _file(source, source.name)
      continue
    # Of several folders, the name tells equal files apart.
    above = f'{source.resolve().name}/' if len(sources) > 1 else ''
    for path in _walk(source, leave_out):
      yield from _file(path, above + path.relative_to(source).as_posix())


def scalars(row: dict[str, Any]) -> dict[str, float | str]:
  """Numbers of a table's row, and short words (such as the split's name)."""
  found = {}
  for name, value in row.items():
    if not isinstance(name, str) or value in (None, ''):
      continue
    try:
      found[name] = float(value)
    except (TypeError, ValueError):
      if isinstance(value, str) and len(value) <= 64:
        found[name] = value
  return found


def printable(text: str) -> str:
  """The same, without what a table or a terminal would stumble over."""
  return ''.join(c if c.isprintable() else '?' for c in text)


def table_rows(path: str) -> Iterator[tuple[int, dict[str, str]]]:
  """Rows of a CSV, numbered from 0."""
  csv.field_size_limit(sys.maxsize)
  with open(path, newline='', encoding='utf-8-sig', errors='replace') as file:
    yield from enumerate(csv.DictReader(file))


def row_id(row: dict[str, Any]) -> str:
  """The column `id` or `material_id` of a table's row, or its first."""
  for name in _IDS:
    if row.get(name):
      return printable(str(row[name]).strip())
  return printable(str(next(iter(row.values()), '') or '').strip())


def _walk(folder: pathlib.Path, leave_out) -> Iterator[pathlib.Path]:
  try:
    paths = sorted(folder.iterdir())
  except OSError:  # It may not be opened; `_file` says so.
    yield folder
    return
  for path in paths:
    if os.path.realpath(path) in leave_out:
      continue
    if path.is_dir() and not path.is_symlink():
      yield from _walk(path, leave_out)
    else:
      yield path


def _file(path: pathlib.Path, name: str) -> Iterator[Item | Skip]:
  shown = printable(name)
  try:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
      os.listdir(path)
      yield Skip(shown, shown, 'a link to a folder is not followed', True)
      return
    if not stat.S_ISREG(mode):
      yield Skip(shown, shown, 'not a plain file', True)
      return
  except (OSError, RuntimeError) as error:
    why = getattr(error, 'strerror', None) or error
    yield Skip(shown, shown, f'cannot be opened: {why}')
    return
  stem, kind = _format(path.name)
  id_ = shown[: len(shown) - len(path.name)] + printable(stem)
  if kind is None:
    yield Skip(shown, id_, NOT_A_CRYSTAL, True)
    return
  several = {
    'csv': _table, 'extxyz': _frames, 'db': _database, 'npz': _compact,
    'jsonl': _lines, 'parquet': _blocks,
  }  # fmt: skip
  compressed = path.suffix.lower() in _COMPRESSED
  item = Item(kind, str(path), shown, id_)
  if kind not in several or compressed:
    yield item
    return
  try:
    yield from several[kind](item)
  except (ValueError, OSError, csv.Error) as error:
    yield Skip(shown, id_, f'cannot be read: {error}')


def _format(name: str) -> tuple[str, str | None]:
  """The name without its suffix, and the format it tells."""
  plain, suffix = os.path.splitext(name)
  if suffix.lower() not in _COMPRESSED:
    plain = name
  if plain.startswith(_VASP):
    return plain, 'vasp'
  stem, suffix = os.path.splitext(plain)
  kind = _FORMATS.get(suffix.lower())
  packed = plain != name
  if kind is None or packed and kind not in ('cif', 'vasp', 'extxyz'):
    return name, None
  return stem, kind


def _table(item: Item) -> Iterator[Item | Skip]:
  for number, row in table_rows(item.path):
    name = f'{item.name}, row {number}'
    if 'cif' not in row:
      yield Skip(item.name, item.id, 'a table without a column `cif`', True)
      return
    id_ = row_id(row)
    text = row.pop('cif')
    if not text:
      yield Skip(name, id_, 'a row without a CIF')
      continue
    yield dataclasses.replace(
      item,
      kind='text',
      name=name,
      id=id_ or f'{item.id}#{number}',
      place=number,
      text=text,
      properties=scalars(row),
    )


def _frames(item: Item) -> Iterator[Item]:
  places = list(frames.find(item.path))
  for number, (start, size) in enumerate(places):
    alone = len(places) == 1
    yield dataclasses.replace(
      item,
      kind='frame',
      name=item.name if alone else f'{item.name}, frame {number}',
      id=item.id if alone else f'{item.id}#{number}',
      place=start,
      size=size,
    )


def _database(item: Item) -> Iterator[Item]:
  for key in ase_db.keys(item.path):
    yield dataclasses.replace(
      item, name=f'{item.name}, id {key}', id=f'{item.id}#{key}', place=key
    )


def _compact(item: Item) -> Iterator[Item]:
  for row, id_ in enumerate(compact.read_file(item.path)['ids']):
    yield dataclasses.replace(
      item,
      name=f'{item.name}, row {row}',
      id=printable(str(id_)),
      place=row,
    )


def _lines(item: Item) -> Iterator[Item]:
  with open(item.path, 'rb') as file:
    start = 0
    for number, line in enumerate(file):
      if line.strip():
        yield dataclasses.replace(
          item,
          name=f'{item.name}, line {number}',
          id=f'{item.id}#{number}',
          place=start,
        )
      start += len(line)


def _blocks(item: Item) -> Iterator[Item]:
  for group, first in optimade.blocks(item.path):
    yield dataclasses.replace(
      item,
      name=f'{item.name}, row group {group}, from row {first}',
      id=f'{item.id}#{group}.{first}',
      place=group,
      size=first,
    )
