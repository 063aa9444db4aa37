"""Rows of ASE databases, read with sqlite3, json and NumPy alone.

The file is opened read-only, so nothing is written beside it; the column
`data`, which may hold anything, is not read.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import re
import sqlite3
from typing import Any

import ase
import numpy as np

# Maximum size of a value in a row, bytes.
_MAX_VALUE = 64 << 20
# Steps of SQLite's virtual machine between two checks of the budget.
_STEPS_PER_CHECK = 100_000
# Budget of steps of an empty file; each byte adds one step.
_MIN_STEPS = 20_000_000

_COLUMNS = ('numbers', 'positions', 'cell', 'pbc', 'energy', 'key_value_pairs')
_NOT_A_DATABASE = 'not an ASE database, or damaged'


def keys(path: str) -> list[int]:
  """The ids of all rows.

  Raises:
    ValueError: If the file is not an ASE database.
  """
  try:
    with contextlib.closing(_connect(path)) as connection:
      _check_table(connection)
      rows = connection.execute('SELECT id FROM systems ORDER BY id')
      return [int(key) for (key,) in rows]
  except (sqlite3.Error, TypeError, OverflowError) as error:
    raise ValueError(_NOT_A_DATABASE) from error


def read_row(path: str, key: int) -> dict[str, Any]:
  """One row.

  Returns:
    numbers [N], positions [N, 3] and cell [3, 3] in Å, pbc [3], energy (eV, or
    None) and key_value_pairs, a dict.

  Raises:
    ValueError: If there is no such row, or it is damaged.
  """
  query = f'SELECT {", ".join(_COLUMNS)} FROM systems WHERE id = ?'
  try:
    found = _open(path).execute(query, (key,)).fetchone()
  except (sqlite3.Error, OverflowError) as error:
    raise ValueError(_NOT_A_DATABASE) from error
  if found is None:
    raise ValueError(f'there is no row {key}')
  row = dict(zip(_COLUMNS, found, strict=True))
  try:
    row['numbers'] = np.frombuffer(row['numbers'], '<i4')
    row['positions'] = np.frombuffer(row['positions'], '<f8').reshape(-1, 3)
    row['cell'] = np.frombuffer(row['cell'], '<f8').reshape(3, 3)
    row['pbc'] = [bool(row['pbc'] & 1 << axis) for axis in range(3)]
    row['key_value_pairs'] = dict(json.loads(row['key_value_pairs'] or '{}'))
  except (TypeError, ValueError, RecursionError) as error:
    raise ValueError(f'row {key} is damaged') from error
  if len(row['numbers']) != len(row['positions']):
    raise ValueError(f'row {key} is damaged: its columns differ in length')
  return row


@functools.lru_cache(maxsize=1)
def _open(path: str) -> sqlite3.Connection:
  return _connect(path)


def _connect(path: str) -> sqlite3.Connection:
  address = f'{pathlib.Path(path).resolve().as_uri()}?mode=ro&immutable=1'
  connection = sqlite3.connect(address, uri=True, check_same_thread=False)
  connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
  connection.set_progress_handler(
    _Budget(os.path.getsize(path)), _STEPS_PER_CHECK
  )
  return connection


class _Budget:
  """Interrupts queries that take more than `_MIN_STEPS` and a step a byte."""

  def __init__(self, size: int):
    self._remaining = size + _MIN_STEPS

  def __call__(self) -> bool:
    self._remaining -= _STEPS_PER_CHECK
    return self._remaining < 0


def _check_table(connection: sqlite3.Connection) -> None:
  """Raises a ValueError unless `systems` is a plain table.

  A view may be endless, or read other tables.
  """
  query = "SELECT type, sql FROM sqlite_master WHERE name = 'systems'"
  found = connection.execute(query).fetchone()
  is_table = found and found[0] == 'table'
  if not is_table or not re.match(r'\s*CREATE\s+TABLE', found[1], re.I):
    raise ValueError('not an ASE database: it has no table `systems`')


def atoms_of_json(row: dict[str, Any], key: Any) -> ase.Atoms:
  """One row of an ASE database that is a JSON file.

  Raises:
    ValueError: If the row is damaged.
  """
  names = 'numbers', 'positions', 'cell', 'pbc'
  try:
    numbers, positions, cell, pbc = (_json_array(row[n]) for n in names)
    if (numbers % 1).any():
      raise ValueError('atomic numbers that are not integers')
    return ase.Atoms(
      numbers.astype(int),
      positions.reshape(-1, 3),
      cell=cell.reshape(3, 3),
      pbc=pbc.astype(bool),
    )
  except (TypeError, ValueError, KeyError, IndexError) as error:
    raise ValueError(f'row {key} of an ASE database is damaged') from error


def _json_array(value: Any) -> np.ndarray:
  """{'__ndarray__': [shape, dtype, numbers]}, plain, or within an object."""
  while isinstance(value, dict) and '__ndarray__' not in value:
    value = value.get('array')
  if isinstance(value, dict):
    shape, _, flat = value['__ndarray__']
    return np.asarray(flat, float).reshape(shape)
  return np.asarray(value, float)
