"""POSCAR files of VASP 4 and 5.

A file of VASP 4 names no species. They are taken from its title if that is a
list of symbols, or a formula with the right counts; otherwise from the POTCAR
or OUTCAR in the same folder.
"""

from __future__ import annotations

import pathlib
import re

import ase
import numpy as np

from crystal_jax.io import fields
from crystal_jax.structure import elements

_TERM = re.compile(r'([A-Z][a-z]?)(\d*)')
# Whether coordinates are Cartesian, by the first letter of the mode. VASP reads
# other words as Direct; here they are refused, since the line may be an atom.
_MODES = {'d': False, 'f': False, 'c': True, 'k': True}


def parse(text: str, folder: pathlib.Path | None = None) -> ase.Atoms:
  """The atoms of a POSCAR.

  Args:
    text: Content of the file.
    folder: Folder that may hold a POTCAR or an OUTCAR; None: no folder.

  Raises:
    ValueError: If a line is missing or malformed, or no species is named.
  """
  lines = [line.split('!')[0].split('#')[0] if i else line
           for i, line in enumerate(text.splitlines())]  # fmt: skip
  if len(lines) < 8:
    raise ValueError(
      f'a POSCAR of {len(lines)} lines: need title, scale, three lattice '
      'vectors, species, counts, coordinate mode and one line per atom'
    )
  cell, scale = _read_cell(lines)
  words, line = lines[5].split(), 6
  if not words:
    raise ValueError('line 6 is blank: need the species, then their counts')
  symbols = None if words[0][0].isdigit() else words
  if symbols:
    words, line = lines[6].split(), 7
  counts = [fields.count(word, f'line {line}') for word in words]
  if symbols and len(symbols) != len(counts):
    raise ValueError(
      f'line 6 names {len(symbols)} species, line 7 gives {len(counts)} counts'
    )
  selective = lines[line].strip()[:1].lower() == 's'
  line += selective
  is_cartesian = _read_mode(lines, line)
  rows = [row.split() for row in lines[line + 1 : line + 1 + sum(counts)]]
  if len(rows) < sum(counts) or any(len(row) < 3 for row in rows):
    filled = next((i for i, row in enumerate(rows) if len(row) < 3), len(rows))
    raise ValueError(
      f'{filled} positions for {sum(counts)} atoms: add lines or correct the '
      'counts'
    )
  _check_end(lines, line + 1 + sum(counts))
  positions = np.reshape(
    [fields.reals(row[:3], 'a coordinate') for row in rows], (-1, 3)
  )
  row_numbers = _row_numbers(rows, 6 if selective else 3)
  numbers = _numbers(symbols, counts, row_numbers, lines[0], folder)
  positions = positions * scale if is_cartesian else positions @ cell
  return ase.Atoms(numbers, positions, cell=cell, pbc=True)


def _read_cell(lines):
  """The lattice vectors, Å, and the scale of Cartesian coordinates."""
  words = []
  for word in lines[1].split()[:3]:
    if not re.match(r'[+-]?\.?\d', word):
      break  # A comment.
    words.append(word)
  scale = fields.reals(words, 'the scale in line 2')
  if len(scale) not in (1, 3) or (len(scale) == 3 and (scale <= 0).any()):
    raise ValueError(
      f'line 2 gives the scale {lines[1].strip()!r}: need one number, or three '
      'positive ones'
    )
  rows = [line.split()[:3] for line in lines[2:5]]
  if any(len(row) < 3 for row in rows):
    raise ValueError('lines 3 to 5 need three numbers each: lattice vectors')
  cell = np.array([fields.reals(row, 'a lattice vector') for row in rows])
  volume = abs(np.linalg.det(cell))
  if scale[0] < 0 and volume:  # A negative scale is the volume of the cell.
    scale = np.cbrt(-scale / volume)
  if not (scale > 0).all() or not volume > 0:
    raise ValueError('a cell of zero volume: correct lines 2 to 5')
  return cell * scale, scale


def _check_end(lines, line) -> None:
  """Refuses more rows than atoms, or a second structure.

  Velocities come after a blank line or a title of their own.
  """
  if line + 4 < len(lines) and lines[line].split()[:1] not in ([], ['Lattice']):
    try:
      _read_cell(lines[line:])
    except ValueError:
      pass
    else:
      raise ValueError(
        f'line {line + 1} begins a second structure; split the file'
      )
  words = lines[line].split() if line < len(lines) else []
  if len(words) < 3:
    return
  try:
    fields.reals(words[:3], 'a coordinate')
  except ValueError:
    return
  raise ValueError(
    f'line {line + 1} is one position more than there are atoms: correct the '
    'counts, or put a blank line before velocities'
  )


def _read_mode(lines, line) -> bool:
  """Whether coordinates are Cartesian."""
  mode = lines[line].strip() if line < len(lines) else ''
  if mode[:1].lower() not in _MODES or not mode:
    raise ValueError(
      f'line {line + 1} states no coordinate mode: {mode[:40]!r}; write Direct '
      'or Cartesian'
    )
  return _MODES[mode[0].lower()]


def _row_numbers(rows, column) -> list[int | None]:
  """Atomic numbers at the ends of the rows, as pymatgen writes symbols there.

  None for a row without one.
  """
  found: list[int | None] = []
  for row in rows:
    words = row[column : column + 3]
    if len(words) == 3 and set(words) <= {'T', 'F'}:
      return []  # Flags of selective dynamics, not fluorine.
    try:
      found.append(elements.number(words[0]) if words else None)
    except ValueError:
      found.append(None)
  return found


def _numbers(symbols, counts, row_numbers, title, folder):
  """Atomic numbers of all atoms; sources that disagree are refused."""
  if symbols:
    listed = [_number(symbol) for symbol in symbols]
  elif row_numbers and None not in row_numbers:
    return row_numbers
  else:
    named = _from_title(title, counts)
    listed = _from_potcar(folder, len(counts)) or named
    if named and named != listed:
      raise ValueError(
        f'the title {title[:40]!r} and the POTCAR or OUTCAR beside the file '
        'name different species; add a line of symbols above the counts'
      )
  if not listed:
    raise ValueError(
      f'no species are named: a POSCAR of VASP 4, and its title {title[:40]!r} '
      'is no formula of its counts; add a line of symbols above the counts, or '
      'put the POTCAR beside it'
    )
  numbers = np.repeat(listed, counts)
  for number, row_number in zip(numbers, row_numbers, strict=False):
    if row_number not in (None, number):
      raise ValueError(
        'the species at the ends of the lines contradict line 6; correct one'
      )
  return numbers


def _number(symbol: str) -> int:
  """The atomic number of 'Na', 'Na_pv/8b6d1c' or 'Ti4+'."""
  return elements.number(re.split('[_/]', symbol)[0])


def _from_title(title: str, counts: list[int]) -> list[int] | None:
  """Atomic numbers, if the title is symbols or a formula of the counts."""
  terms = []
  for word in title.split():
    if not re.fullmatch(f'({_TERM.pattern})+', word):
      return None
    terms += _TERM.findall(word)
  if len(terms) != len(counts):
    return None
  try:
    numbers = [elements.number(symbol) for symbol, _ in terms]
  except ValueError:
    return None
  if max(numbers) > elements.MAX_NUMBER:  # 'No', 'Es': words.
    return None
  has_counts = any(count for _, count in terms)
  if has_counts or len(title.split()) == 1:
    ratios = {n / int(count or 1) for n, (_, count) in
              zip(counts, terms, strict=True) if int(count or 1)}  # fmt: skip
    if len(ratios) != 1:
      return None
  return numbers


def _from_potcar(folder, kinds: int) -> list[int] | None:
  """Atomic numbers by the POTCAR or OUTCAR of the same calculation."""
  for name in ('POTCAR', 'OUTCAR') if folder else ():
    path = folder / name
    if not path.is_file():
      continue
    with path.open(errors='replace') as file:
      titles = [line.split() for line in file if 'TITEL' in line]
    symbols = [words[3] for words in titles if len(words) > 3]
    if len(symbols) == kinds:
      return [_number(re.split(r'\.', symbol)[0]) for symbol in symbols]
  return None
