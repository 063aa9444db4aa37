"""PDB files of crystals: CRYST1, its space group, and the sites of each model.

Columns are fixed. An element is never guessed from an atom's name: CA is a
carbon or calcium.
"""

from __future__ import annotations

import re

import ase
import numpy as np

from crystal_jax.io import fields, space_groups
from crystal_jax.io.operations import (
  IDENTITY,
  MAX_DISTORTION,
  Operations,
  expand,
)
from crystal_jax.structure import elements, validation
from crystal_jax.structure.lattice import from_cell_parameters

_CELL = (6, 15), (15, 24), (24, 33), (33, 40), (40, 47), (47, 54)
_POSITION = (30, 38), (38, 46), (46, 54)
# Residues and atoms that were not observed: 'REMARK 465     MET A     1'.
_MISSING = re.compile(r'REMARK 4(65|70) +(\d+ +)?[A-Z0-9]{1,3} +\w? *-?\d+')


def parse(text: str) -> list[ase.Atoms]:
  """All atoms of the cell, for each model.

  Raises:
    ValueError: If the cell, an element or a position is missing, a site is
      partly occupied or one of several alternatives, or the space group is
      unclear.
  """
  cell, group, inverse, shift = None, IDENTITY, {}, {}
  models: list[list[str]] = [[]]
  for line in text.splitlines():
    record = line[:6].strip()
    if record == 'CRYST1':
      found, group = _read_crystal(line)
      if cell is not None and not np.allclose(found, cell):
        raise ValueError(
          'CRYST1 records of different cells; split the file into one per cell'
        )
      cell = found
    elif record[:5] == 'SCALE' and record[5:] in ('1', '2', '3'):
      words = line[10:].split()
      values = fields.reals(words[:4], 'a SCALE element')
      inverse[record], shift[record] = values[:3], values[3:]
    elif _MISSING.match(line):
      raise ValueError(
        f'{line[:10]} lists atoms that were not observed; add them as sites, '
        'or delete the record'
      )
    elif record[:5] == 'MTRIX' and line[59:60] != '1':
      raise ValueError(
        'MTRIX records stand for atoms that are not listed; list all atoms'
      )
    elif record in ('MODEL', 'ENDMDL', 'END') and models[-1]:
      models.append([])
    elif record in ('ATOM', 'HETATM'):
      models[-1].append(line)
  listed = text.count('\nREMARK 290   SMTRY1 ')
  if listed > 1 and len(group.rotations) != listed:
    raise ValueError(
      f'REMARK 290 lists {listed} symmetry operations, but CRYST1 names no '
      'space group that has them; name it'
    )
  if cell is None:
    raise ValueError('no cell: the CRYST1 record is missing; add it')
  matrix = np.linalg.inv(cell)
  vector = np.zeros(3)
  if len(inverse) == 3:
    matrix = np.array([inverse[f'SCALE{i}'] for i in (1, 2, 3)]).T
    vector = np.array([shift[f'SCALE{i}'][0] for i in (1, 2, 3)])
    # The axes may be turned: the product is a rotation.
    products = matrix @ cell
    if np.abs(products @ products.T - np.eye(3)).max() > MAX_DISTORTION:
      raise ValueError(
        'the SCALE records contradict the cell of CRYST1; correct one of them'
      )
  return [
    _expand_model(model, matrix, vector, group, cell)
    for model in models
    if model
  ]


def _read_crystal(line: str) -> tuple[np.ndarray, Operations]:
  texts = [line[start:stop].strip() for start, stop in _CELL]
  parameters = fields.reals(texts, 'a CRYST1 parameter')
  cell = from_cell_parameters(parameters[:3], parameters[3:])
  name = line[55:66].strip()
  if not name:
    return cell, IDENTITY
  if name[0] in 'Hh':  # The hexagonal axes of a rhombohedral group.
    name = f'R{name[1:]}:H'
  statement = space_groups.SpaceGroupStatement(names=(name,))
  found = space_groups.matching_settings(statement, cell)
  if len(found) > 1:
    raise ValueError(
      f'space group {name!r} has two origins, and CRYST1 does not say which; '
      'convert the file to CIF with its symmetry operations'
    )
  return cell, found[0]


def _expand_model(lines, matrix, vector, group, cell) -> ase.Atoms:
  numbers, positions = [], []
  for line in lines:
    label, element = line[12:16].strip(), line[76:78].strip()
    if line[16:17].strip():
      raise ValueError(
        f'disorder: site {label} is alternative {line[16]}; keep one of them'
      )
    occupancy = line[54:60].strip()
    if occupancy:
      validation.check_occupancy(label, occupancy)
    if not element:
      raise ValueError(
        f'unknown species: site {label} has no element in columns 77-78'
      )
    numbers.append(elements.number(element))
    texts = [line[start:stop].strip() for start, stop in _POSITION]
    positions.append(fields.reals(texts, f'a coordinate of site {label}'))
  sites = np.array(positions) @ matrix + vector
  return expand(np.array(numbers), sites, group, cell)[0]
