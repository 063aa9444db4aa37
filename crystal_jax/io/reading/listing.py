"""Listing of the items to read: files, rows of tables, frames.

Folders are walked in order of names, links to folders are not followed, and
only plain files are opened. Listing checks sizes and counts, and reads in
bounded steps, so that no file can exhaust memory or time.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import os
import pathlib
import stat
from collections.abc import Container, Iterator, Sequence

from crystal_jax.io.reading import (
  ase_db,
  compact,
  formats,
  frames,
  optimade,
  pool,
)
from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.tables import (
  lines_of,
  printable,
  row_id,
  scalars,
  table_rows,
)

# Maximum number of blocks of a parquet file.
_MAX_BLOCKS = 1_000_000
UNKNOWN_FORMAT = 'no crystal file by its name'


def list_items(
  sources: Sequence[str | os.PathLike[str]], leave_out: Container[str] = ()
) -> Iterator[Item | Skip]:
  """Lists the items of files and folders, in order of their names.

  Args:
    sources: Files and folders.
    leave_out: Real paths of files and folders to ignore.

  Raises:
    FileNotFoundError: If one of the sources does not exist.
  """
  for source in map(pathlib.Path, sources):
    if not source.exists():
      raise FileNotFoundError(f'{source}: no such file or folder.')
    if not source.is_dir():
      yield from _file(source, source.name)
      continue
    for path in _walk(source, leave_out):
      name = path.relative_to(source).as_posix()
      yield from _file(path, prefix(source, sources) + name)


def prefix(
  source: str | os.PathLike[str], sources: Sequence[str | os.PathLike[str]]
) -> str:
  """First part of the ids of a source's files.

  The folder's name, which distinguishes equal file names of several folders; ''
  for a file, or a folder that is the only source.
  """
  folder = pathlib.Path(source)
  if len(sources) < 2 or not folder.is_dir():
    return ''
  return f'{folder.resolve().name}/'


def _walk(folder: pathlib.Path, leave_out) -> Iterator[pathlib.Path]:
  try:
    paths = sorted(folder.iterdir())
  except OSError:  # Not readable; `_file` gives the reason.
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
  label = printable(name)
  try:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
      os.listdir(path)
      yield Skip(label, label, 'a link to a folder is not followed', True)
      return
    if not stat.S_ISREG(mode):
      yield Skip(label, label, 'not a plain file', True)
      return
  except (OSError, RuntimeError) as error:
    reason = getattr(error, 'strerror', None) or error
    yield Skip(label, label, f'cannot be opened: {reason}')
    return
  stem, kind = _format(path.name)
  id_ = label[: len(label) - len(path.name)] + printable(stem)
  if kind is None:
    yield Skip(label, id_, UNKNOWN_FORMAT, True)
    return
  lists = {
    'csv': _table, 'extxyz': _frames, 'db': _database, 'npz': _compact,
    'jsonl': _lines, 'parquet': _blocks,
  }  # fmt: skip
  compressed = path.suffix.lower() in formats.COMPRESSED
  item = Item(kind, str(path), label, id_)
  if kind not in lists or compressed:
    yield item
    return
  try:
    yield from lists[kind](item)
  except (ValueError, OSError, csv.Error) as error:
    reason = str(error).removeprefix(f'{path}: ')
    reason = reason.removeprefix('cannot be read as npz: ')
    yield Skip(label, id_, printable(f'cannot be read: {reason}')[:500])


def _format(name: str) -> tuple[str, str | None]:
  """The name without its suffix, and the format of the suffix or None."""
  plain, suffix = os.path.splitext(name)
  if suffix.lower() not in formats.COMPRESSED:
    plain = name
  if plain.startswith(formats.VASP):
    return plain, 'vasp'
  stem, suffix = os.path.splitext(plain)
  kind = formats.FORMATS.get(suffix.lower())
  compressed = plain != name
  if kind is None or compressed and kind not in formats.READ_COMPRESSED:
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
      index=number,
      text=text,
      properties=scalars(row),
    )


def _frames(item: Item) -> Iterator[Item]:
  found = list(frames.find(item.path))
  for number, (start, size) in enumerate(found):
    alone = len(found) == 1
    yield dataclasses.replace(
      item,
      kind='frame',
      name=item.name if alone else f'{item.name}, frame {number}',
      id=item.id if alone else f'{item.id}#{number}',
      index=start,
      size=size,
    )


def _database(item: Item) -> Iterator[Item]:
  for key in ase_db.keys(item.path):
    yield dataclasses.replace(
      item, name=f'{item.name}, id {key}', id=f'{item.id}#{key}', index=key
    )


def _compact(item: Item) -> Iterator[Item]:
  for row, id_ in enumerate(compact.read_file(item.path)['ids']):
    yield dataclasses.replace(
      item,
      name=f'{item.name}, row {row}',
      id=printable(str(id_)),
      index=row,
    )


def _lines(item: Item) -> Iterator[Item]:
  with open(item.path, 'rb') as file:
    start = 0
    for number, line in enumerate(lines_of(file)):
      if line.strip():
        yield dataclasses.replace(
          item,
          name=f'{item.name}, line {number}',
          id=f'{item.id}#{number}',
          index=start,
        )
      start += len(line)


def _blocks(item: Item) -> Iterator[Item]:
  (blocks,) = pool.isolated_map(
    _list_blocks, [item.path], workers=1, memory_limit=pool.MEMORY_LIMIT
  )
  if isinstance(blocks, pool.Failure):
    raise ValueError(blocks.reason.removeprefix('raised ValueError: '))
  for group, first in blocks:
    yield dataclasses.replace(
      item,
      name=f'{item.name}, row group {group}, from row {first}',
      id=f'{item.id}#{group}.{first}',
      index=group,
      size=first,
    )


def _list_blocks(path: str) -> list[tuple[int, int]]:
  """The blocks of a parquet file."""
  blocks = list(itertools.islice(optimade.blocks(path), _MAX_BLOCKS + 1))
  if len(blocks) > _MAX_BLOCKS:
    raise ValueError(f'more than {_MAX_BLOCKS} blocks of rows')
  return blocks
