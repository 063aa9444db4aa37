"""Space groups by name, number, Hall or Schoenflies symbol, for a given cell.

gemmi knows the Hermann-Mauguin names of 564 settings, spglib the full and the
Schoenflies symbols. If a statement may mean several settings, all that fit the
cell are returned; the caller chooses or refuses.
"""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

import ase.cell
import numpy as np
from jaxtyping import Float

from crystal_jax.io import operations
from crystal_jax.io import space_group_tables as tables
from crystal_jax.io.operations import Operations

# Largest distortion of a cell that has a setting's symmetry exactly, up to
# rounding in the file.
_EXACT_DISTORTION = 1e-3


@dataclasses.dataclass(frozen=True)
class Statement:
  """Statements of a file about its space group; None where one is missing.

  Attributes:
    names: Hermann-Mauguin names.
    number: Number in the International Tables.
    hall: Hall symbol.
    schoenflies: Schoenflies symbol.
    setting: Coordinate system code: '1', '2', 'H', 'R', 'b1' and so on.
  """

  names: tuple[str, ...] = ()
  number: str | None = None
  hall: str | None = None
  schoenflies: str | None = None
  setting: str | None = None

  def __str__(self):
    words = (*self.names, self.hall, self.number, self.schoenflies)
    return ', '.join(word for word in words if word)


class _Settings(NamedTuple):
  """Settings that one statement may mean, by gemmi's names.

  Attributes:
    number: Number of the space group.
    likely: Settings that convention suggests, such as unique axis b.
    possible: All settings, the likely ones included.
  """

  number: int
  likely: set[str]
  possible: set[str]


def settings(
  statement: Statement, cell: Float[np.ndarray, '3 3']
) -> list[Operations]:
  """Operations of the settings of a stated group that fit a cell.

  Exact fits come before approximate ones, and of each the likely settings
  before the other possible ones; only the first of these classes with a fit is
  returned.

  Raises:
    ValueError: If the statement is not understood, contradicts itself, or names
      no group of this lattice.
  """
  found = [_by_name(name, cell) for name in statement.names]
  if statement.hall:
    found.append(_by_hall(statement.hall))
  number = _number(statement)
  if number is not None:
    found = found or [_by_number(number)]
  if not found:
    raise ValueError('no space group is stated; list the symmetry operations')
  likely = set.intersection(*(one.likely for one in found))
  possible = set.intersection(*(one.possible for one in found))
  numbers = {one.number for one in found} | ({number} - {None})
  if statement.setting:
    code = statement.setting.lower()
    likely, possible = (
      {name for name in names if code in tables.codes(name)}
      for names in (likely, possible)
    )
  if len(numbers) > 1 or not possible:
    raise ValueError(
      f'contradictory space group: {statement}; keep what is right, or list '
      'the symmetry operations'
    )
  for limit in _EXACT_DISTORTION, operations.MAX_DISTORTION:
    for names in likely, possible:
      groups = [tables.operations_of(name) for name in sorted(names)]
      fitting = [g for g in groups if operations.distortion(g, cell) <= limit]
      if fitting:
        return fitting
  raise ValueError(
    f'space group {statement} does not fit the cell: its operations do not map '
    'the lattice onto itself; give the cell of that setting, or list the '
    'symmetry operations'
  )


def stated_number(statement: Statement) -> int | None:
  """The number of the space group that a statement names; or None."""
  import gemmi

  try:
    number = _number(statement)
  except ValueError:
    return None
  for name in statement.names if number is None else ():
    plain = tables.plain(name)
    group = gemmi.find_spacegroup_by_name(plain)
    if group is not None:
      return int(group.number)
  if number is None and statement.hall:
    try:
      return _by_hall(statement.hall).number
    except ValueError:
      return None
  return number


def number_of(group: Operations) -> int | None:
  """The number of a group, if gemmi knows its setting; or None."""
  found = _find(group)
  return int(found.number) if found else None


def name_of(group: Operations) -> str | None:
  """The Hermann-Mauguin name of a group's setting, with its origin; or None."""
  found = _find(group)
  return str(found.xhm()) if found else None


def _find(group: Operations):
  """The setting of a group that gemmi knows; or None."""
  import gemmi

  den = gemmi.Op.DEN
  steps = group.translations * den
  if np.abs(steps - np.rint(steps)).max() > 1e-6:
    return None
  ops = []
  for rotation, translation in zip(group.rotations, steps, strict=True):
    op = gemmi.Op()
    op.rot = np.rint(rotation * den).astype(int).tolist()
    op.tran = np.rint(translation).astype(int).tolist()
    ops.append(op.wrap())
  return gemmi.find_spacegroup_by_ops(gemmi.GroupOps(ops))


def _by_name(name: str, cell) -> _Settings:
  """Settings of a Hermann-Mauguin name, short or full."""
  import gemmi

  plain = tables.plain(name)
  alpha, _, gamma = ase.cell.Cell(cell).angles()
  group = gemmi.find_spacegroup_by_name(plain, alpha, gamma)
  if group is None:
    return _by_full_name(name)
  if ':' in name or re.search(r'\s[HR]$', plain):
    return _Settings(group.number, {group.xhm()}, {group.xhm()})
  likely = {
    o.xhm() for o in tables.settings_of(group.number) if o.hm == group.hm
  }
  possible = set(likely)
  if tables.squeezed(plain) != tables.squeezed(group.hm):  # P 2/m for P 1 2/m 1
    short = tables.without_ones(group.hm)
    same = [
      o
      for o in tables.settings_of(group.number)
      if tables.without_ones(o.hm) == short
    ]
    possible |= {o.xhm() for o in same}
  return _Settings(group.number, likely, possible)


def _by_full_name(name: str) -> _Settings:
  found = tables.full_names().get(tables.squeezed(name), ())
  settings = [_by_hall(hall) for hall in found]
  if not settings or len({one.number for one in settings}) > 1:
    raise ValueError(_unknown(name))
  names = set.union(*(one.possible for one in settings))
  return _Settings(settings[0].number, names, names)


def _by_number(number: int) -> _Settings:
  import gemmi

  group = gemmi.find_spacegroup_by_number(number)
  if group is None:
    raise ValueError(_unknown(str(number)))
  table = tables.settings_of(number)
  likely = {setting.xhm() for setting in table if setting.hm == group.hm}
  return _Settings(number, likely, {setting.xhm() for setting in table})


def _by_hall(symbol: str) -> _Settings:
  import gemmi

  try:
    group = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(symbol))
  except RuntimeError:
    group = None
  if group is None:
    raise ValueError(_unknown(symbol))
  return _Settings(group.number, {group.xhm()}, {group.xhm()})


def _number(statement: Statement) -> int | None:
  """The number that a statement gives, directly or by Schoenflies symbol."""
  numbers = set()
  if statement.number:
    if not statement.number.isdecimal():
      raise ValueError(_unknown(statement.number))
    numbers.add(int(statement.number))
  if statement.schoenflies:
    symbol = re.sub(r'[\s_{}]', '', statement.schoenflies).lower()
    found = tables.schoenflies_numbers().get(symbol)
    if found is None:
      raise ValueError(_unknown(statement.schoenflies))
    numbers.add(found)
  if len(numbers) > 1:
    raise ValueError(
      f'contradictory space group: {statement}; keep the right one'
    )
  return numbers.pop() if numbers else None


def _unknown(name: str) -> str:
  return (
    f'unknown space group, or unknown setting of one: {name!r}; list its '
    'symmetry operations'
  )
