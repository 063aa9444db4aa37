"""Frames of extended XYZ files.

A frame is a line with the number of atoms, a line of `key=value` pairs, among
them Lattice and Properties, and a line per atom.
"""

from __future__ import annotations

import json
import re
from typing import Any

import ase
import numpy as np

from crystal_jax.io import fields
from crystal_jax.structure import elements

_PAIR = re.compile(
  r"""([^\s=]+)\s*=\s*("(?:\\.|[^"\\])*"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|[^\s]+)"""
)
_DEFAULT = 'species:S:1:pos:R:3'
_SPECIES = 'species', 'symbols', 'symbol', 'element', 'elements'
_NUMBERS = 'z', 'numbers', 'atomic_number', 'atomic_numbers'
_POSITIONS = 'pos', 'positions', 'position'
# Keys of the unit of length, and units that are not Å.
_LENGTH_UNIT = re.compile(
  'units?|.*(length|pos|lattice|cell|coord|dist).*_?units?', re.IGNORECASE
)
_OTHER_UNITS = {'bohr', 'au', 'a.u.', 'atomic', 'hartree', 'nm', 'pm', 'm'}
_JSON = '_JSON '  # Start of a value that ASE writes as JSON.
_TRUE = {'t', 'true', '1', '.true.'}
_FALSE = {'f', 'false', '0', '.false.'}


def parse(text: str) -> list[ase.Atoms]:
  """The frames of a file; scalars of the comment line are in `info`.

  Raises:
    ValueError: If a frame is cut off or malformed.
  """
  lines, start, frames = text.splitlines(), 0, []
  while start < len(lines):
    if not lines[start].strip():
      start += 1
      continue
    count = fields.count(lines[start].strip(), f'line {start + 1}')
    stop = start + 2 + count
    if len(lines) < stop:
      raise ValueError(
        f'{max(0, len(lines) - start - 2)} lines for {count} atoms: the frame '
        'is cut off'
      )
    frames.append(_parse_frame(lines[start + 1], lines[start + 2 : stop]))
    start = stop
  return frames


def _parse_frame(comment: str, lines: list[str]) -> ase.Atoms:
  pairs = _pairs(comment)
  for key, value in pairs.items():
    if _LENGTH_UNIT.fullmatch(key) and value.lower() in _OTHER_UNITS:
      raise ValueError(f'{key}={value}: lengths are not in Å; convert them')
  columns = _read_columns(pairs.pop('properties', None), lines)
  cell = _read_cell(pairs.pop('lattice', None))
  pbc = _read_pbc(pairs.pop('pbc', None), cell is not None)
  atoms = ase.Atoms(
    _read_numbers(columns), columns['positions'], cell=cell, pbc=pbc
  )
  if 'occupancies' in columns:
    atoms.set_array('occupancy', columns['occupancies'][:, 0])
  if pairs.get('occupancy', '').startswith(_JSON):  # As ASE reads it from CIF.
    atoms.info['occupancy'] = _parse_json(pairs.pop('occupancy'))
  atoms.info.update(
    {name: scalar for name, value in pairs.items()
     if (scalar := _scalar(value)) is not None}
  )  # fmt: skip
  return atoms


def _pairs(comment: str) -> dict[str, str]:
  """Keys and values; lattice, properties and pbc in lower case."""
  pairs: dict[str, str] = {}
  for key, value in _PAIR.findall(comment):
    lower = key.lower()
    key = lower if lower in ('lattice', 'properties', 'pbc') else key
    if key in pairs:
      raise ValueError(f'the comment line gives {key} twice; delete one')
    is_quoted = value[0] in '"\'{['
    pairs[key] = value[1:-1] if is_quoted else value
  return pairs


def _read_columns(properties: str | None, lines: list[str]) -> dict[str, Any]:
  """Species, positions and so on, by the Properties of a frame.

  A plain XYZ file has no Properties; columns after the positions are ignored.
  """
  words = (properties or _DEFAULT).split(':')
  is_whole = len(words) % 3 == 0 and all(words) and all(
    width.isdecimal() for width in words[2::3]
  )  # fmt: skip
  if not is_whole:
    raise ValueError(
      f'malformed Properties={properties!r}; write name:type:width for each '
      'column, such as species:S:1:pos:R:3'
    )
  names = [name.lower() for name in words[::3]]
  widths = [int(width) for width in words[2::3]]
  rows = [line.split() for line in lines]
  for index, row in enumerate(rows):
    if len(row) < sum(widths) or properties and len(row) > sum(widths):
      raise ValueError(
        f'atom {index} has {len(row)} columns of {sum(widths)} by Properties; '
        'correct one of them'
      )
  columns: dict[str, Any] = {}
  meanings = {
    'species': _SPECIES, 'numbers': _NUMBERS, 'positions': _POSITIONS,
    'occupancies': [n for n in names if fields.OCCUPANCY.fullmatch(n)],
  }  # fmt: skip
  start = 0
  for name, width in zip(names, widths, strict=True):
    cells = [row[start : start + width] for row in rows]
    start += width
    for meaning, spellings in meanings.items():
      if name not in spellings:
        continue
      if meaning in columns or width != (3 if meaning == 'positions' else 1):
        raise ValueError(
          f'Properties give {name}:{width} twice or of wrong width'
        )
      columns[meaning] = _column(meaning, cells, width)
  if 'positions' not in columns:
    raise ValueError('no positions: Properties lack pos:R:3')
  return columns


def _column(meaning: str, cells: list[list[str]], width: int):
  if meaning == 'species':
    return [cell[0] for cell in cells]
  if meaning == 'numbers':
    return [fields.count(cell[0], 'an atomic number') for cell in cells]
  values = [fields.reals(cell, f'one of the {meaning}') for cell in cells]
  return np.reshape(values, (-1, width))


def _read_numbers(columns: dict[str, Any]) -> list[int]:
  if 'species' not in columns and 'numbers' not in columns:
    raise ValueError('no species: Properties lack species:S:1')
  numbers: list[int] | None = columns.get('numbers')
  if 'species' in columns:
    named = [elements.number(symbol) for symbol in columns['species']]
    if numbers is not None and named != numbers:
      raise ValueError(
        'species and atomic numbers contradict; delete one column'
      )
    numbers = named
  for number in numbers or ():
    elements.symbol(number)
  return numbers or []


def _read_cell(text: str | None):
  if text is None:
    return None
  values = fields.reals(re.sub(r'[\[\],;]', ' ', text).split(), 'Lattice')
  if len(values) != 9:
    raise ValueError(
      f'Lattice has {len(values)} numbers; need nine: three vectors, Å'
    )
  return values.reshape(3, 3)


def _read_pbc(text: str | None, has_cell: bool) -> list[bool]:
  if text is None:
    return [has_cell] * 3
  words = re.sub(r'[\[\],]', ' ', text).lower().split()
  if len(words) != 3 or not set(words) <= _TRUE | _FALSE:
    raise ValueError(f'pbc={text!r} is wrong: need three of T or F')
  return [word in _TRUE for word in words]


def _parse_json(text: str) -> Any:
  """The value of ASE's '_JSON {...}', in which quotes are escaped."""
  try:
    return json.loads(text.removeprefix(_JSON).replace('\\"', '"'))
  except (ValueError, RecursionError):
    raise ValueError(
      f'the comment line has malformed JSON {text[:40]!r}; correct or delete it'
    ) from None


def _scalar(text: str) -> float | str | None:
  """A number, a boolean as 0 or 1, or a word; None for a list."""
  try:
    return fields.real(text, '')
  except ValueError:
    pass
  if text.lower() in ('t', 'true', 'f', 'false'):
    return float(text.lower() in _TRUE)
  try:
    fields.reals(text.replace(',', ' ').split(), '')
  except ValueError:
    return text
  return None
