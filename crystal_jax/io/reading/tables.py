"""Rows of tables: CSV, with ids and scalars."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any, AnyStr

_IDS = ('id', 'material_id')
# Maximum size of a row of a table or a line of JSON, bytes; 10,000 atoms take
# 1 MB.
_MAX_ROW = 64 << 20


def table_rows(path: str) -> Iterator[tuple[int, dict[str, str]]]:
  """Rows of a CSV, numbered from 0."""
  csv.field_size_limit(_MAX_ROW)
  with open(path, newline='', encoding='utf-8-sig', errors='replace') as file:
    yield from enumerate(csv.DictReader(lines_of(file)))


def row_id(row: dict[str, Any]) -> str:
  """The value in column `id` or `material_id` of a row, else the first one."""
  for name in _IDS:
    if row.get(name):
      return printable(str(row[name]).strip())
  return printable(str(next(iter(row.values()), '') or '').strip())


def scalars(row: dict[str, Any]) -> dict[str, float | str]:
  """Numbers and short texts (such as a split's name) of a table's row."""
  found: dict[str, float | str] = {}
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
  """The text with `?` in place of characters that are not printable."""
  return ''.join(c if c.isprintable() else '?' for c in text)


def lines_of(file: IO[AnyStr]) -> Iterator[AnyStr]:
  """Lines of a file.

  Raises:
    ValueError: If a line is too long for memory.
  """
  while line := file.readline(_MAX_ROW):
    if len(line) == _MAX_ROW:
      raise ValueError(f'a line of more than {_MAX_ROW >> 20} MB')
    yield line
