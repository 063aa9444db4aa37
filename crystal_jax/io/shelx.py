"""SHELX files (.res, .ins): cell, lattice type, operations and sites."""

from __future__ import annotations

import collections
import re
import warnings

import ase
import numpy as np

from crystal_jax.io import fields
from crystal_jax.io.operations import (
  Operations,
  check_lattice,
  expand,
  parse_group,
)
from crystal_jax.structure import elements, validation
from crystal_jax.structure.lattice import from_cell_parameters

_CENTRINGS = {
  1: ('x,y,z',),
  2: ('x,y,z', 'x+1/2,y+1/2,z+1/2'),
  3: ('x,y,z', 'x+2/3,y+1/3,z+1/3', 'x+1/3,y+2/3,z+2/3'),
  4: ('x,y,z', 'x,y+1/2,z+1/2', 'x+1/2,y,z+1/2', 'x+1/2,y+1/2,z'),
  5: ('x,y,z', 'x,y+1/2,z+1/2'),
  6: ('x,y,z', 'x+1/2,y,z+1/2'),
  7: ('x,y,z', 'x+1/2,y+1/2,z'),
}
_PEAK = re.compile(r'Q\d+', re.IGNORECASE)  # Of a difference map.
_FLAGS = re.IGNORECASE | re.MULTILINE | re.DOTALL
# The title of a structure: the last one before its cell.
_TITLE = re.compile('^TITL(?=(?:(?!^TITL).)*?^CELL)', _FLAGS)
# A fragment for refinement, in a cell of its own: its atoms are not sites.
_FRAGMENT = re.compile('^FRAG(?:(?!^FRAG).)*?^FEND', _FLAGS)
_LISTS = 'SFAC', 'SYMM', 'CELL', 'LATT', 'UNIT', 'PART'
_END = 'HKLF', 'END'
# Instructions that place no atoms; anything else is a site.
_INSTRUCTIONS = frozenset(
  'ABIN ACTA AFIX ANIS ANSC ANSR BASF BIND BLOC BOND BUMP CGLS CHIV CONF CONN '
  'DAMP DANG DEFS DELU DFIX DISP EADP EQIV EXTI EXYZ FEND FLAT FMAP FRAG FREE '
  'FVAR GRID HOPE HTAB ISOR L.S. LAUE LIST MERG MOLE MORE MPLA NCSY NEUT OMIT '
  'PLAN PRIG REM RESI RIGU RTAB SADI SAME SHEL SIMU SIZE SPEC STIR SUMP SWAT '
  'TEMP TIME TITL TWIN TWST WGHT WIGL WPDB XNPD ZERR'.split()
)
# A parameter p is fixed if it is stored as 10 + p: numbers from 5 to 15 are
# fixed. Others outside -5 to 5 refer to a free variable.
_FIXED, _FREE = 5.0, 15.0
_OCCUPANCY_TOLERANCE = 0.01  # Occupancies are rounded: 0.33333.


def parse(text: str) -> list[ase.Atoms]:
  """All atoms of the cell, for each structure; AIRSS puts several in a file.

  Raises:
    ValueError: If an instruction is malformed, a site is partly occupied or one
      of several alternatives, or the contents contradict UNIT.
  """
  starts = [found.start() for found in _TITLE.finditer(text)][1:]
  return [
    _parse_structure(text[start:stop])
    for start, stop in zip([0, *starts], [*starts, None], strict=True)
  ]


def _parse_structure(text: str) -> ase.Atoms:
  instructions, sites = _read(text)
  if 'CELL' not in instructions:
    raise ValueError('no cell: the CELL instruction is missing')
  parameters = fields.reals(instructions['CELL'][0][1:7], 'a CELL parameter')
  if len(parameters) < 6:
    raise ValueError('CELL needs a wavelength, three lengths and three angles')
  cell = from_cell_parameters(parameters[:3], parameters[3:])
  group = _read_group(instructions)
  check_lattice(group, cell)
  symbols = _read_symbols(instructions)
  numbers, positions, occupancies = [], [], []
  for label, words in sites:
    kind = fields.count(words[0], f'the element index of site {label}')
    if not 0 < kind <= len(symbols):
      raise ValueError(
        f'site {label} has element {kind}, which SFAC does not list'
      )
    numbers.append(elements.number(symbols[kind - 1]))
    values = fields.reals(words[1:5], f'a coordinate of site {label}')
    positions.append([_plain(label, v) for v in values[:3]])
    occupancies.append(_plain(label, values[3]) if len(values) > 3 else None)
  if not sites:
    raise ValueError('no atoms')
  atoms, counts = expand(np.array(numbers), np.array(positions), group, cell)
  order = len(group.rotations)
  for (label, _), count, stored in zip(sites, counts, occupancies, strict=True):
    if stored is not None:  # Occupancy over the order of the site symmetry.
      occupancy = round(stored * order / count, 4)
      if abs(occupancy - 1) > _OCCUPANCY_TOLERANCE:
        validation.check_occupancy(label, occupancy)
  _check_unit(instructions, symbols, atoms)
  return atoms


def _read(text: str):
  """Instructions by name, and (label, words) of each site."""
  text = re.sub(r'=[ \t]*(![^\n]*)?\n', ' ', text)  # A continued line.
  text = _FRAGMENT.sub('FEND', text)
  instructions: dict[str, list[list[str]]] = {}
  sites, peaks = [], 0
  for line in text.splitlines():
    words = line.split('!')[0].split()
    if not words or line[:1].isspace():
      continue
    name = words[0].upper()
    if name in _END:
      break
    if name in _LISTS:
      instructions.setdefault(name, []).append(words[1:])
      if name == 'PART' and words[1:2] not in ([], ['0']):
        raise ValueError(
          f'disorder: PART {words[1]} holds alternative sites; keep one of them'
        )
    elif name[:4] == 'HFIX':
      raise ValueError(
        'HFIX asks for hydrogens that are not among the sites; give the .res '
        'file of the refinement, which has them'
      )
    elif name[:4] == 'MOVE':
      raise ValueError(
        'MOVE shifts or inverts the sites after it; give them where they are'
      )
    elif name[0] == '+':
      raise ValueError(f'{name} includes another file; paste its lines here')
    elif _PEAK.fullmatch(name):
      peaks += 1
    elif name[:4] not in _INSTRUCTIONS:
      if len(words) < 5:
        raise ValueError(
          f'line {line.strip()[:40]!r} is neither an instruction nor a site; '
          'correct or delete it'
        )
      sites.append((words[0], words[1:]))
  for name in 'CELL', 'LATT':
    if len(instructions.get(name, [])) > 1:
      raise ValueError(f'{name} is there twice; delete one of them')
  if peaks:
    warnings.warn(
      f'{peaks} peaks (Q1, ..) of the SHELX file are no atoms and dropped',
      stacklevel=2,
    )
  return instructions, sites


def _read_group(instructions) -> Operations:
  lattice = instructions.get('LATT', [['1']])[-1]
  kind = fields.real((lattice or ['1'])[0], 'LATT')
  if abs(kind) not in _CENTRINGS:
    raise ValueError(f'LATT {kind:g} is not a lattice type from 1 to 7')
  listed = ['x,y,z']
  for words in instructions.get('SYMM', []):
    listed.append(''.join(words).lower())
  return parse_group(tuple(listed), _CENTRINGS[int(abs(kind))], kind > 0)


def _read_symbols(instructions) -> list[str]:
  symbols = []
  for words in instructions.get('SFAC', []):
    is_table = len(words) > 2 and re.match(r'[+-]?\.?\d', words[1])
    symbols += words[:1] if is_table else words
  if not symbols:
    raise ValueError('no species: the SFAC instruction is missing')
  return [symbol.removeprefix('$') for symbol in symbols]


def _plain(label: str, value: float) -> float:
  """A parameter; the 10 that marks it as fixed is subtracted."""
  if abs(value) < _FIXED:
    return value
  if _FIXED <= value < _FREE:
    return value - 10
  raise ValueError(
    f'site {label} depends on a free variable ({value:g}); give its value'
  )


def _check_unit(instructions, symbols, atoms) -> None:
  if 'UNIT' not in instructions:
    return
  counts = fields.reals(sum(instructions['UNIT'], []), 'a count of UNIT')
  found = atoms.symbols.formula.count()
  stated: dict[str, float] = collections.defaultdict(float)
  for symbol, count in zip(symbols, counts, strict=False):
    stated[elements.symbol(elements.number(symbol))] += count
  for name, count in stated.items():  # Deuterium is hydrogen.
    if abs(found.get(name, 0) - count) > 0.01:
      raise ValueError(
        f'the sites give {found.get(name, 0)} {name} in the cell, UNIT says '
        f'{count:g}; correct one of them'
      )
