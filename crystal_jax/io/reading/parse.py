"""Parsing and checking of the crystals of one item."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np

from crystal_jax.io import json_files
from crystal_jax.io.json_files import Row
from crystal_jax.io.reading import ase_db, compact, frames, optimade
from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.tables import printable, scalars
from crystal_jax.io.structures import check, describe, load, parse_text
from crystal_jax.structure import elements, lattice, primitive
from crystal_jax.structure.crystal import Crystal

# Atoms within this fractional distance below a cell's upper wall are moved to
# the opposite wall, as in `augment.centre`.
_WALL = 1e-4

# Maximum length of the reason of a skip, characters.
_MAX_REASON = 500

# Crystal, its id, and its properties.
Parsed = tuple[Crystal, str, dict[str, float | str]]


def parse(item: Item, max_atoms: int) -> Iterator[Parsed | Skip]:
  """The crystals of an item, right-handed, or a skip with the reason.

  A crystal with more than `max_atoms` atoms is replaced by its primitive cell;
  if that has more too, it is skipped. Never raises.
  """
  try:
    found = list(rows(item))
  except Exception as error:  # Parsers fail in many ways.
    yield Skip(item.name, item.id, _reason(error, item))
    return
  for number, row in enumerate(found):
    alone = len(found) == 1
    id_ = printable(row.id) or (item.id if alone else f'{item.id}#{number}')
    name = item.name if alone else f'{item.name}, structure {number}'
    try:
      crystal = lattice.right_handed(check(row.structure))
      crystal = _limit_atoms(crystal, max_atoms)
      _check_range(crystal)
      properties = item.properties | scalars(row.columns)
    except Exception as error:
      yield Skip(name, id_, _reason(error, item))
      continue
    yield crystal, id_, properties


def rows(item: Item) -> Iterator[Row]:
  """The structures of an item, not yet checked.

  Raises:
    ValueError: If the item cannot be parsed.
  """
  if item.kind == 'text':
    found = parse_text(item.text, 'cif')
    if len(found) != 1:
      raise ValueError(f'holds {len(found)} structures, not one')
    yield Row(found[0], '', {})
  elif item.kind == 'frame':
    text = frames.read(item.path, item.index, item.size)
    yield from map(_file_row, parse_text(text, 'extxyz'))
  elif item.kind == 'db':
    row = ase_db.read_row(item.path, item.index)
    pairs = row['key_value_pairs']
    atoms = ase.Atoms(
      row['numbers'], row['positions'], cell=row['cell'], pbc=row['pbc']
    )
    yield Row(atoms, _own_id(pairs), pairs | {'energy': row['energy']})
  elif item.kind == 'npz':
    yield _compact_row(item)
  elif item.kind == 'jsonl':
    line = optimade.read_line(item.path, item.index)
    yield from json_files.parse(line.decode('utf-8', 'replace'))
  elif item.kind == 'parquet':
    for entry in optimade.read_block(item.path, item.index, item.size):
      yield json_files.optimade_row(entry)
  elif item.kind == 'json':
    with open(item.path, encoding='utf-8-sig', errors='replace') as file:
      yield from json_files.parse(file.read())
  else:
    yield from map(_file_row, load(item.path, item.kind))


def reduced_formula(numbers: np.ndarray) -> str:
  """The composition without common factors, by atomic number: 'O3Fe2'."""
  kinds, counts = np.unique(numbers, return_counts=True)
  counts = counts // np.gcd.reduce(counts)
  return ''.join(
    f'{elements.symbol(z)}{n if n > 1 else ""}'
    for z, n in zip(kinds.tolist(), counts.tolist(), strict=True)
  )


def fingerprint(crystal: Crystal) -> list[float]:
  """Numbers that are equal for copies of a crystal, and not near zero.

  Volume, lengths and structure factors. They do not depend on the order of the
  atoms or the origin, and change little with noise.
  """
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  waves = np.concatenate([fractional, fractional.sum(1, keepdims=True)], axis=1)
  weights = crystal.numbers / crystal.numbers.sum()
  scattered = 1 + np.abs(weights @ np.exp(2j * np.pi * waves))
  lengths = np.linalg.norm(crystal.cell, axis=1)
  volume = abs(np.linalg.det(crystal.cell))
  return [volume, *sorted(lengths), *sorted(scattered[:3]), scattered[3]]


def radius(crystal: Crystal) -> float:
  """Largest distance of an atom of the cell from the mean position, Å.

  Atoms are wrapped into the cell first, as in a box of a single cell.
  """
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  wrapped = (fractional - np.floor(fractional + _WALL)) @ crystal.cell
  return float(np.linalg.norm(wrapped - wrapped.mean(axis=0), axis=1).max())


def primitive_atoms(crystal: Crystal) -> int:
  """Number of atoms in the primitive cell."""
  return len(_primitive(crystal).numbers)


def _primitive(crystal: Crystal) -> Crystal:
  numbers, positions, cell = map(
    np.asarray, (crystal.numbers, crystal.positions, crystal.cell)
  )
  fractional = positions @ np.linalg.inv(cell) % 1.0
  numbers, fractional, cell = primitive.primitive_cell(
    numbers, fractional, cell
  )
  return Crystal(numbers, fractional @ cell, cell)


def _limit_atoms(crystal: Crystal, max_atoms: int) -> Crystal:
  """The crystal, or its primitive cell if the crystal is too large.

  Raises:
    ValueError: If the primitive cell has too many atoms.
  """
  count = len(crystal.numbers)
  if count <= max_atoms:
    return crystal
  smaller = _primitive(crystal)
  if len(smaller.numbers) > max_atoms:
    raise ValueError(
      f'{len(smaller.numbers)} atoms in the primitive cell, more than '
      f'{max_atoms=}'
    )
  return lattice.right_handed(smaller)


def _file_row(structure: Any) -> Row:
  """A structure of a file, with the scalars that ASE's Atoms carry."""
  if not isinstance(structure, ase.Atoms):
    return Row(structure, '', {})
  scalar = int, float, str, np.number
  columns = {k: v for k, v in structure.info.items() if isinstance(v, scalar)}
  results = structure.calc.results if structure.calc else {}
  energy = results.get('energy')
  if isinstance(energy, scalar):
    columns['energy'] = energy
  return Row(structure, _own_id(columns), columns)


def _own_id(columns: dict[str, Any]) -> str:
  for name in ('id', 'material_id'):
    if name in columns:
      return str(columns[name])
  return ''


def _compact_row(item: Item) -> Row:
  columns = _compact_file(item.path)
  i = item.index
  atoms = slice(*columns['offsets'][i : i + 2])
  cell = columns['cell'][i].astype(float)
  properties = {
    name: float(columns[name][i]) for name in compact.scalar_names(columns)
  }
  positions = columns['frac'][atoms].astype(float) @ cell
  numbers = columns['numbers'][atoms]
  structure = ase.Atoms(numbers, positions, cell=cell, pbc=True)
  return Row(structure, '', properties)


@functools.lru_cache(maxsize=1)
def _compact_file(path: str) -> dict[str, np.ndarray]:
  return compact.read_file(path)


def _check_range(crystal: Crystal) -> None:
  """Refuses elements beyond the last one covered, and float32 overflow."""
  largest = int(np.max(crystal.numbers))
  if largest > elements.MAX_NUMBER:
    raise ValueError(
      f'element {elements.symbol(largest)} is beyond '
      f'{elements.symbol(elements.MAX_NUMBER)}, the last one covered'
    )
  with np.errstate(over='ignore'):
    arrays = np.float32(crystal.positions), np.float32(crystal.cell)
  if not all(np.isfinite(array).all() for array in arrays) or not math.isfinite(
    np.linalg.det(np.asarray(crystal.cell))
  ):
    raise ValueError('a position or a lattice vector is too large for float32')


def _reason(error: Exception, item: Item) -> str:
  # The file is named beside the reason.
  text = describe(error, item.kind).removeprefix(f'{item.path}: ')
  return printable(text)[:_MAX_REASON]
