"""Symmetry operations of a CIF: the listed ones, or those of its space group.

A space group is stated by operations, by a Hermann-Mauguin, Hall or Schoenflies
symbol, or by its number. A statement that is not understood is refused, since
its crystal would lack atoms.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from jaxtyping import Float

from crystal_jax.io import group_names, operations, space_groups
from crystal_jax.io.cif_tags import Tags
from crystal_jax.io.operations import IDENTITY, Operations
from crystal_jax.io.space_groups import SpaceGroupStatement

_LISTS = 'space_group_symop_operation_xyz', 'symmetry_equiv_pos_as_xyz'
# Magnetic operations end in the time reversal: x,y,z,-1.
_MAGNETIC = 'space_group_symop_magn_operation_xyz'
_MAGNETIC_CENTRINGS = 'space_group_symop_magn_centering_xyz'

# Tags of symmetry: `_space_group*`, `_symmetry*` and their magnetic kin.
_SYMMETRY = re.compile(
  '(?P<other>parent_|child_|magnetic_)?'
  '(symmetry_space_group|space_group|symmetry)_(?P<rest>.+)'
)
# Generators alone do not list the group.
_GENERATORS = 'space_group_symop_generator_xyz'
# What such a tag states, by the rest of its name.
_STATEMENTS = {
  'name': re.compile('(name_)?h_m(_alt|_full|_extended)?'),
  'reference': re.compile('name_h_m_ref'),
  'hall': re.compile('(name_)?hall'),
  'number': re.compile('(it_|int_tables_)number'),
  'schoenflies': re.compile('(name_)?schoenflies'),
  'setting_code': re.compile('it_coordinate_system_code'),
}
# Tags that state a part of the symmetry, which no operations follow from.
_PARTIAL = re.compile(
  'crystal_system|cell_setting|laue_class|patterson.*|point_group.*|'
  'bravais_type|centring_type|reference_setting|transform.*|magn_.*'
)
_IDS = re.compile(
  'id|.*_id|symop_magn_.*|.*description|wyckoff.*|.*_mxmymz|.*_timereversal|'
  'symop_(id|operation_xyz|generator_xyz)|equiv_pos_as_xyz'
)
# Tags of databases and misspelt ones, which state a symmetry all the same.
_LIKE = re.compile(
  '(?!atom_|geom_|journal_|audit_|publ_|refln_|diffrn_)'
  '(.*(sg_symbol|name_h_m|hermann_mauguin|int_tables_number|space_group|'
  'spacegroup|crystal_(symmetry|system)|symm|symop|sym_op|equiv_pos|bravais|'
  'pearson|(lattice|cell|centring)_(type|cent(ring|ering)|setting|lattice)|'
  'lattice_system).*|'
  'sgr?_.*)'
)
_IDENTITY_TRANSFORMS = 'a,b,c;0,0,0', 'a,b,c', 'x,y,z;0,0,0', 'x,y,z'
_MODULATED = re.compile(
  '(space_group|symmetry)_.*ssg|cell_(modulation|wave_v|subsystem)|'
  'atom_site_(displace|occ|rot|fourier)_'
)


@dataclasses.dataclass(frozen=True)
class Symmetry:
  """Symmetry stated in a CIF.

  Attributes:
    candidates: Groups that the file may mean: one, unless the origin is open.
    named_number: Number of the space group that is named beside a list of
      operations of another group; None if list and name agree.
    is_partial: Whether the file states a part of its symmetry, such as a
      crystal system, but neither a group nor operations.
  """

  candidates: list[Operations]
  named_number: int | None = None
  is_partial: bool = False


def states_symmetry(tags: Tags) -> bool:
  """Whether a block states any symmetry."""
  return any(
    tags.known(tag)
    for tag in tags
    if (match := _SYMMETRY.fullmatch(tag))
    and match['rest'] not in ('entry_id', 'id')
  )


def read_symmetry(tags: Tags, cell: Float[np.ndarray, '3 3']) -> Symmetry:
  """The symmetry that a CIF states, checked against its cell.

  Raises:
    ValueError: If a statement is not understood or contradicts another one, or
      if the operations are no group or do not fit the cell.
  """
  for tag in tags:
    if _MODULATED.match(tag) and tags.known(tag):
      raise ValueError(
        f'a modulated structure ({tags.spellings[tag]}); give a commensurate '
        'approximant in three dimensions'
      )
  group = _listed_group(tags, cell)
  if group is not None:
    return _listed_symmetry(tags, group)
  if tags.known(_GENERATORS):
    raise ValueError(
      'generators without symmetry operations; list all operations in '
      '_space_group_symop_operation_xyz'
    )
  statement, is_partial = _statement(tags)
  if statement is None:
    return Symmetry([IDENTITY], is_partial=is_partial)
  return Symmetry(space_groups.matching_settings(statement, cell))


def _listed_group(tags: Tags, cell) -> Operations | None:
  """The operations that a CIF lists; None if there is no list."""
  for name in _LISTS:
    column = tags.column(name)
    if tags.known(name) and {'.', '?'} & set(column):
      raise ValueError(
        f'_{name} has an unknown operation (?); list all or name the group'
      )
  groups = [
    operations.parse_group(tuple(tags.known(name)))
    for name in _LISTS
    if tags.known(name)
  ]
  names, centrings = (
    tuple(','.join(text.split(',')[:3]) for text in _magnetic(tags, name))
    for name in (_MAGNETIC, _MAGNETIC_CENTRINGS)
  )
  if names or centrings:
    groups.append(operations.parse_group(names or ('x,y,z',), centrings))
  if not groups:
    return None
  if not all(operations.are_equal(groups[0], other) for other in groups[1:]):
    raise ValueError(
      'two different lists of symmetry operations; keep the right one'
    )
  operations.check_lattice(groups[0], cell)
  return groups[0]


def _magnetic(tags: Tags, name: str) -> list[str]:
  """Magnetic operations; their time reversal may be a column of its own."""
  listed = tags.known(name)
  for text in listed:
    if text.count(',') not in (2, 3):
      raise ValueError(f'magnetic operation {text!r}: need x,y,z,+1')
  return listed


def _listed_symmetry(tags: Tags, group: Operations) -> Symmetry:
  """Listed operations, compared with the space group that is named."""
  try:
    statement, _ = _statement(tags)
  except ValueError:  # The operations suffice.
    statement = None
    if len(group.rotations) == 1:
      return Symmetry([group], is_partial=True)
  if statement is None:
    return Symmetry([group])
  stated = space_groups.stated_numbers(statement)
  if not stated:
    return Symmetry([group], is_partial=len(group.rotations) == 1)
  listed = group_names.space_group_number(group)
  if listed is None and len(group.rotations) > 1:  # A supercell.
    return Symmetry([group])
  contradicting = stated - {listed}
  if len(contradicting) > 1:
    raise ValueError(
      f'contradictory space group: {statement}; keep what is right'
    )
  named = contradicting.pop() if contradicting else None
  return Symmetry([group], named_number=named)


def _statement(tags: Tags) -> tuple[SpaceGroupStatement | None, bool]:
  """The space group that is named; and whether only a part of it is stated.

  Raises:
    ValueError: If a tag of symmetry is not understood.
  """
  stated: dict[str, list[str]] = {kind: [] for kind in _STATEMENTS}
  is_partial = False
  for tag in tags:
    match = _SYMMETRY.fullmatch(tag)
    is_partial |= not match and bool(_LIKE.fullmatch(tag) and tags.known(tag))
    if not match or _IDS.fullmatch(match['rest']) or not tags.known(tag):
      continue
    if 'transform' in match['rest']:
      _check_transform(tags, tag)
    if match['other'] or _PARTIAL.fullmatch(match['rest']):
      is_partial = True
      continue
    kinds = [k for k, p in _STATEMENTS.items() if p.fullmatch(match['rest'])]
    if not kinds:
      raise ValueError(
        f'symmetry tag {tags.spellings[tag]} is not understood; list the '
        'symmetry operations in _space_group_symop_operation_xyz'
      )
    stated[kinds[0]].append(tags.value(tag) or '')
  names = stated['name'] or stated['reference']
  single = {}
  for kind in 'number', 'hall', 'schoenflies', 'setting_code':
    if len(set(stated[kind])) > 1:
      raise ValueError(
        f'contradictory space group: {", ".join(stated[kind])}; keep the right '
        'one'
      )
    single[kind] = stated[kind][0] if stated[kind] else None
  statement = SpaceGroupStatement(tuple(dict.fromkeys(names)), **single)
  return (statement, False) if str(statement) else (None, is_partial)


def _check_transform(tags: Tags, tag: str) -> None:
  """Refuses a change of basis, which only listed operations would settle."""
  for value in tags.known(tag):
    if re.sub(r'\s', '', value).lower() not in _IDENTITY_TRANSFORMS:
      raise ValueError(
        f'a change of basis {tags.spellings[tag]} {value!r} without symmetry '
        'operations; list them in the setting of the cell'
      )
