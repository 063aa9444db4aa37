"""One item to crystals: parsed, checked, and with what is asked of it later."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np

from crystal_jax.io.read import check, parse_text, structures
from crystal_jax.io.reading import ase_db, compact, frames, optimade
from crystal_jax.io.reading.items import Item, Skip, printable, scalars
from crystal_jax.structure import elements, primitive
from crystal_jax.structure.crystal import Crystal

# Fractional coordinates this close below a cell's wall belong to the opposite
# one, as in `augment.centre`.
_WALL = 1e-4

# Looking for a smaller cell takes time that grows with the cube of the atoms.
_MANY = 128

# Crystal, its id, and its properties.
Parsed = tuple[Crystal, str, dict[str, float | str]]


def parse(item: Item, max_atoms: int) -> Iterator[Parsed | Skip]:
  """The crystals of an item, or why there is none; never an exception."""
  try:
    found = list(_structures(item))
  except Exception as error:  # Every parser has its own ways to fail.
    yield Skip(item.name, item.id, _reason(error, item))
    return
  for number, (structure, id_, properties) in enumerate(found):
    alone = len(found) == 1
    id_ = id_ or (item.id if alone else f'{item.id}#{number}')
    name = item.name if alone else f'{item.name}, structure {number}'
    try:
      crystal = check(structure)
      _check_limits(crystal, max_atoms)
    except Exception as error:
      yield Skip(name, id_, _reason(error, item))
      continue
    yield crystal, id_, item.properties | properties


def reduced_formula(numbers: np.ndarray) -> str:
  """The composition without common factors, by atomic number: 'O3Fe2'."""
  kinds, counts = np.unique(numbers, return_counts=True)
  counts = counts // np.gcd.reduce(counts)
  return ''.join(
    f'{elements.symbol(z)}{n if n > 1 else ""}'
    for z, n in zip(kinds.tolist(), counts.tolist(), strict=True)
  )


def fingerprint(crystal: Crystal) -> list[float]:
  """Numbers that copies share: volume, lengths, and how the atoms scatter.

  They change with neither the atoms' order nor the origin, little with noise,
  and none is near zero.
  """
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  waves = np.concatenate([fractional, fractional.sum(1, keepdims=True)], axis=1)
  weights = crystal.numbers / crystal.numbers.sum()
  scattered = 1 + np.abs(weights @ np.exp(2j * np.pi * waves))
  lengths = np.linalg.norm(crystal.cell, axis=1)
  volume = abs(np.linalg.det(crystal.cell))
  return [volume, *sorted(lengths), *sorted(scattered[:3]), scattered[3]]


def radius(crystal: Crystal) -> float:
  """How far the outermost atom of one cell lies from the atoms' mean, Å.

  The atoms are wrapped into the cell first, as a box of a single cell has them.
  """
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  wrapped = (fractional - np.floor(fractional + _WALL)) @ crystal.cell
  return float(np.linalg.norm(wrapped - wrapped.mean(axis=0), axis=1).max())


def primitive_atoms(crystal: Crystal) -> int:
  """How many atoms its primitive cell has; all, of a crystal of very many."""
  count = len(crystal.numbers)
  if count > _MANY:
    return count
  fractional = crystal.positions @ np.linalg.inv(crystal.cell) % 1.0
  return len(
    primitive.primitive_cell(crystal.numbers, fractional, crystal.cell)[0]
  )


def _structures(item: Item) -> Iterator[tuple[Any, str, dict]]:
  """(what `io.check` takes, its own id or '', its properties)."""
  if item.kind == 'text':
    found = parse_text(item.text, 'cif')
    if len(found) != 1:
      raise ValueError(f'holds {len(found)} structures, not one')
    yield found[0], '', {}
  elif item.kind == 'frame':
    text = frames.read(item.path, item.index, item.size)
    yield from map(_with_info, parse_text(text, 'extxyz'))
  elif item.kind == 'db':
    row = ase_db.read_row(item.path, item.index)
    pairs = row['key_value_pairs'] | {'energy': row['energy']}
    atoms = ase.Atoms(
      row['numbers'], row['positions'], cell=row['cell'], pbc=_bits(row['pbc'])
    )
    yield atoms, _own_id(pairs), scalars(pairs)
  elif item.kind == 'npz':
    yield _compact_row(item)
  elif item.kind == 'jsonl':
    yield _optimade(json.loads(optimade.read_line(item.path, item.index)))
  elif item.kind == 'parquet':
    for row in optimade.read_block(item.path, item.index, item.size):
      yield _optimade(row)
  elif item.kind == 'json':
    yield from _json_rows(item.path)
  else:
    for structure in structures(item.path, item.kind):
      is_atoms = isinstance(structure, ase.Atoms)
      yield _with_info(structure) if is_atoms else (structure, '', {})


def _with_info(atoms: ase.Atoms) -> tuple[ase.Atoms, str, dict]:
  """What the comment line of an extxyz frame says."""
  results = atoms.calc.results if atoms.calc else {}
  said = dict(atoms.info)
  if np.ndim(results.get('energy')) == 0:
    said['energy'] = results.get('energy')
  plain = (int, float, str, np.number)
  said = {k: v for k, v in said.items() if isinstance(v, plain)}
  return atoms, _own_id(said), scalars(said)


def _own_id(said: dict[str, Any]) -> str:
  for name in ('id', 'material_id'):
    if name in said:
      return printable(str(said[name]))
  return ''


def _compact_row(item: Item) -> tuple[ase.Atoms, str, dict]:
  columns = _compact_file(item.path)
  i = item.index
  atoms = slice(*columns['offsets'][i : i + 2])
  cell = columns['cell'][i].astype(float)
  properties = {
    name: float(columns[name][i]) for name in compact.scalar_names(columns)
  }
  positions = columns['frac'][atoms].astype(float) @ cell
  return (
    ase.Atoms(columns['numbers'][atoms], positions, cell=cell, pbc=True),
    '',
    properties,
  )


@functools.lru_cache(maxsize=1)
def _compact_file(path: str) -> dict[str, np.ndarray]:
  return compact.read_file(path)


def _json_rows(path: str) -> Iterator[tuple[ase.Atoms, str, dict]]:
  """Crystals of an OPTIMADE answer, or of an ASE database in JSON."""
  with open(path, encoding='utf-8') as file:
    rows = json.load(file)
  if isinstance(rows, dict) and isinstance(rows.get('data'), list):
    for entry in rows['data']:
      yield _optimade(entry)
    return
  if not isinstance(rows, dict) or not isinstance(rows.get('ids'), list):
    raise ValueError('neither an ASE database nor an OPTIMADE answer')
  for key in rows['ids']:
    row = rows[str(key)]
    pairs = row.get('key_value_pairs') or {}
    yield ase_db.atoms_of_json(row), _own_id(pairs), scalars(pairs)


def _optimade(entry: dict[str, Any]) -> tuple[Any, str, dict]:
  return (
    optimade.Entry(entry),
    printable(optimade.own_id(entry)),
    scalars(optimade.attributes(entry)),
  )


def _bits(pbc: int) -> list[bool]:
  return [bool(pbc & 1 << axis) for axis in range(3)]


def _check_limits(crystal: Crystal, max_atoms: int) -> None:
  count = len(crystal.numbers)
  if count > max_atoms:
    raise ValueError(f'{count} atoms, more than {max_atoms=}')
  largest = int(crystal.numbers.max())
  if largest > elements.MAX_NUMBER:
    raise ValueError(
      f'element {elements.symbol(largest)} is beyond '
      f'{elements.symbol(elements.MAX_NUMBER)}, the last one covered'
    )
  with np.errstate(over='ignore'):
    sizes = np.float32(crystal.positions), np.float32(crystal.cell)
  if not all(np.isfinite(size).all() for size in sizes) or not math.isfinite(
    np.linalg.det(crystal.cell)
  ):
    raise ValueError('a position or a lattice vector that is not finite')


def _reason(error: Exception, item: Item) -> str:
  text = str(error) or type(error).__name__
  # The file is named beside the reason.
  text = text.removeprefix(f'{item.path}: ')
  return printable(' '.join(text.split()))[:500]
