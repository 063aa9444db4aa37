"""Listing of the items to read: files, rows of tables, frames.

Folders are walked in order of names. Links to folders are not followed, and
only plain files are opened. Sizes and counts are checked, and files are read in
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

# Maximum number of blocks (`optimade.blocks`) of a parquet file.
_MAX_BLOCKS = 1_000_000
# Reason why a file is skipped if its name belongs to no known format.
UNKNOWN_FORMAT = 'not a crystal file by its name'


def list_items(
  sources: Sequence[str | os.PathLike[str]], leave_out: Container[str] = ()
) -> Iterator[Item | Skip]:
  """Lists the items of each source; those of a folder in order of file names.

  Args:
    sources: Files and folders.
    leave_out: Files and folders in them to ignore, as `os.path.realpath`.

  Yields:
    Items to read, and the files or rows that are skipped, with the reason.

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
  """First part of the ids of a source's files: 'folder/', or ''.

  Files of several folders can have equal names, so ids start with the name of
  the folder if there are several sources.

  Args:
    source: One of the sources.
    sources: All of them.
  """
  folder = pathlib.Path(source)
  if len(sources) < 2 or not folder.is_dir():
    return ''
  return f'{folder.resolve().name}/'


def _walk(
  folder: pathlib.Path, leave_out: Container[str]
) -> Iterator[pathlib.Path]:
  """Paths in a folder that are not folders, and folders that cannot be read."""
  try:
    paths = sorted(folder.iterdir())
  except OSError:  # `_file` gives the reason.
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
  """Items of a file, or why it is skipped.

  Args:
    path: The file.
    name: Path of the file in its source, with the source's `prefix`.
  """
  label = printable(name)
  try:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
      os.listdir(path)  # Raises for a folder that cannot be read.
      reason = 'a link to a folder is not followed'
      yield Skip(label, label, reason, is_ignorable=True)
      return
    if not stat.S_ISREG(mode):
      yield Skip(label, label, 'not a plain file', is_ignorable=True)
      return
  except (OSError, RuntimeError) as error:
    cause = getattr(error, 'strerror', None) or error
    yield Skip(label, label, f'cannot be opened: {cause}')
    return
  stem, kind = _format(path.name)
  id_ = label.removesuffix(printable(path.name)) + printable(stem)
  if kind is None:
    yield Skip(label, id_, UNKNOWN_FORMAT, is_ignorable=True)
    return
  # Functions that list the crystals of a file, by format.
  listers = {
    'csv': _table, 'extxyz': _frames, 'db': _database, 'npz': _compact,
    'jsonl': _lines, 'parquet': _blocks,
  }  # fmt: skip
  item = Item(kind, str(path), label, id_)
  is_compressed = path.suffix.lower() in formats.COMPRESSED
  if kind not in listers or is_compressed:
    yield item
    return
  try:
    yield from listers[kind](item)
  except (ValueError, OSError, csv.Error) as error:
    reason = str(error).removeprefix(f'{path}: ')
    reason = reason.removeprefix('cannot be read as npz: ')
    yield Skip(label, id_, printable(f'cannot be read: {reason}')[:500])


def _format(name: str) -> tuple[str, str | None]:
  """A file's name without suffixes, and its format; or the name, and None."""
  stem, suffix = os.path.splitext(name)
  is_compressed = suffix.lower() in formats.COMPRESSED
  uncompressed = stem if is_compressed else name
  stem, suffix = os.path.splitext(uncompressed)
  kind = formats.FORMATS.get(suffix.lower())
  if kind is None and any(word in uncompressed for word in formats.VASP):
    return uncompressed, 'vasp'
  if kind is None or is_compressed and kind not in formats.READ_COMPRESSED:
    return name, None
  return stem, kind


def _table(item: Item) -> Iterator[Item | Skip]:
  """Rows of a CSV file with a column `cif`."""
  for number, row in table_rows(item.path):
    name = f'{item.name}, row {number}'
    if 'cif' not in row:
      reason = 'a table without a column `cif`'
      yield Skip(item.name, item.id, reason, is_ignorable=True)
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
  """Frames of an extxyz file; a single one has the name and id of the file."""
  spans = list(frames.find(item.path))
  is_single = len(spans) == 1
  for number, (start, size) in enumerate(spans):
    yield dataclasses.replace(
      item,
      kind='frame',
      name=item.name if is_single else f'{item.name}, frame {number}',
      id=item.id if is_single else f'{item.id}#{number}',
      index=start,
      size=size,
    )


def _database(item: Item) -> Iterator[Item]:
  """Rows of an ASE database, by their ids."""
  for key in ase_db.keys(item.path):
    yield dataclasses.replace(
      item, name=f'{item.name}, id {key}', id=f'{item.id}#{key}', index=key
    )


def _compact(item: Item) -> Iterator[Item]:
  """Crystals of a compact file."""
  for row, id_ in enumerate(compact.read_file(item.path)['ids']):
    yield dataclasses.replace(
      item,
      name=f'{item.name}, row {row}',
      id=printable(str(id_)),
      index=row,
    )


def _lines(item: Item) -> Iterator[Item]:
  """Lines of a JSON lines file that are not empty."""
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
  """Blocks of a parquet file, listed in a worker process."""
  (blocks,) = pool.isolated_map(
    _list_blocks, [item.path], workers=1, memory_limit=pool.MEMORY_LIMIT
  )
  if isinstance(blocks, pool.Failure):
    raise ValueError(blocks.reason.removeprefix('raised ValueError: '))
  for group, first_row in blocks:
    yield dataclasses.replace(
      item,
      name=f'{item.name}, row group {group}, from row {first_row}',
      id=f'{item.id}#{group}.{first_row}',
      index=group,
      size=first_row,
    )


def _list_blocks(path: str) -> list[tuple[int, int]]:
  """Row group and first row of each block of a parquet file."""
  blocks = list(itertools.islice(optimade.blocks(path), _MAX_BLOCKS + 1))
  if len(blocks) > _MAX_BLOCKS:
    raise ValueError(f'more than {_MAX_BLOCKS} blocks of rows')
  return blocks
