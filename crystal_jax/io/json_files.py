"""Crystals of a JSON file: OPTIMADE answers, ASE databases, pymatgen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import ase

from crystal_jax.io import pymatgen_json
from crystal_jax.io.reading import ase_db, optimade


class Row(NamedTuple):
  """One structure of a file, not yet checked.

  Attributes:
    structure: ASE's Atoms, or an object with a method `to_ase`.
    id: Id that the file gives, or ''.
    columns: Properties of any type, by name.
  """

  structure: Any
  id: str
  columns: dict[str, Any]


def parse(text: str) -> list[Row]:
  """The structures of a JSON text.

  Raises:
    ValueError: If it is not JSON, or of none of the three kinds.
  """
  try:
    data = json.loads(text)
  except RecursionError:
    raise ValueError('JSON nested too deep to be a crystal') from None
  except ValueError as error:
    line = f' in line {error.lineno}' if hasattr(error, 'lineno') else ''
    raise ValueError(f'malformed JSON{line}') from None
  return list(_rows(data))


def optimade_row(entry: Any) -> Row:
  """One entry of an OPTIMADE answer as a row."""
  if not isinstance(entry, dict):
    raise ValueError('an OPTIMADE entry that is not an object')
  return Row(
    optimade.Entry(entry),
    optimade.own_id(entry),
    optimade.attributes(entry),
  )


def _rows(data: Any) -> Iterator[Row]:
  if isinstance(data, list):
    for item in data:
      yield from _rows(item)
  elif not isinstance(data, dict):
    raise ValueError(_unknown())
  elif isinstance(data.get('ids'), list):
    yield from _ase_rows(data)
  elif pymatgen_json.is_structure(data):
    yield Row(*pymatgen_json.read(data))
  elif isinstance(data.get('data'), list):
    yield from map(optimade_row, data['data'])
  elif isinstance(data.get('data'), dict):
    yield optimade_row(data['data'])
  elif optimade.is_entry(data):
    yield optimade_row(data)
  else:
    raise ValueError(_unknown())


def _ase_rows(data: dict[str, Any]) -> Iterator[Row]:
  for key in data['ids']:
    row = data.get(str(key))
    if not isinstance(row, dict):
      raise ValueError(f'an ASE database that lacks its row {key}')
    pairs = row.get('key_value_pairs') or {}
    if not isinstance(pairs, dict):
      raise ValueError(f'row {key} of an ASE database is damaged')
    columns = pairs | {'energy': row.get('energy')}
    atoms: ase.Atoms = ase_db.atoms_of_json(row, key)
    yield Row(atoms, _own_id(pairs), columns)


def _own_id(pairs: dict[str, Any]) -> str:
  return str(pairs.get('id') or pairs.get('material_id') or '')


def _unknown() -> str:
  return (
    'JSON of no known kind: need an OPTIMADE answer, an ASE database, or a '
    'Structure of pymatgen'
  )
