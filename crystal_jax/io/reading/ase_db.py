"""Rows of an ASE database, read with nothing but sqlite3, json and NumPy.

It is opened read-only, so that nothing is written beside it, and columns that
may hold anything (`data`) are not looked at.
"""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import sqlite3
from typing import Any

import ase
import numpy as np

_COLUMNS = ('numbers', 'positions', 'cell', 'pbc', 'energy', 'key_value_pairs')


def keys(path: str) -> list[int]:
  """The ids of all rows.

  Raises:
    ValueError: If this is no ASE database.
  """
  try:
    with contextlib.closing(_connect(path)) as opened:
      found = opened.execute('SELECT id FROM systems ORDER BY id')
      return [int(key) for (key,) in found]
  except sqlite3.Error as error:
    raise ValueError(f'no ASE database: {error}') from error


def read_row(path: str, key: int) -> dict[str, Any]:
  """One row.

  Returns:
    numbers [N], positions [N, 3] and cell [3, 3] in Å, pbc (bits), energy (eV,
    or None) and key_value_pairs, a dict.

  Raises:
    ValueError: If there is no such row, or it is damaged.
  """
  query = f'SELECT {", ".join(_COLUMNS)} FROM systems WHERE id = ?'
  try:
    found = _open(path).execute(query, (key,)).fetchone()
  except sqlite3.Error as error:
    raise ValueError(f'no ASE database: {error}') from error
  if found is None:
    raise ValueError(f'there is no row {key}')
  row = dict(zip(_COLUMNS, found, strict=True))
  try:
    row['numbers'] = np.frombuffer(row['numbers'], '<i4')
    row['positions'] = np.frombuffer(row['positions'], '<f8').reshape(-1, 3)
    row['cell'] = np.frombuffer(row['cell'], '<f8').reshape(3, 3)
    row['key_value_pairs'] = json.loads(row['key_value_pairs'] or '{}')
  except (TypeError, ValueError) as error:
    raise ValueError(f'row {key} is damaged: {error}') from error
  if len(row['numbers']) != len(row['positions']):
    raise ValueError(f'row {key} is damaged')
  return row


@functools.lru_cache(maxsize=1)
def _open(path: str) -> sqlite3.Connection:
  return _connect(path)


def _connect(path: str) -> sqlite3.Connection:
  address = f'{pathlib.Path(path).resolve().as_uri()}?mode=ro&immutable=1'
  return sqlite3.connect(address, uri=True, check_same_thread=False)


def atoms_of_json(row: dict[str, Any]) -> ase.Atoms:
  """One row of an ASE database that is a JSON file."""
  names = 'numbers', 'positions', 'cell', 'pbc'
  numbers, positions, cell, pbc = (_json_array(row.get(n)) for n in names)
  return ase.Atoms(numbers.astype(int), positions, cell=cell, pbc=pbc)


def _json_array(value: Any) -> np.ndarray:
  """{'__ndarray__': [shape, dtype, numbers]}, plain, or within an object."""
  while isinstance(value, dict) and '__ndarray__' not in value:
    value = value.get('array')
  if isinstance(value, dict):
    shape, _, flat = value['__ndarray__']
    return np.asarray(flat, float).reshape(shape)
  return np.asarray(value, float)
