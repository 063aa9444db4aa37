"""Space groups by name, number, Hall or Schoenflies symbol, for a given cell.

gemmi knows the Hermann-Mauguin names of 564 settings, spglib the full and the
Schoenflies symbols. If a statement allows several settings, the most
conventional ones that fit the cell are returned.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from typing import NamedTuple

import ase.cell
import numpy as np
from jaxtyping import Float

from crystal_jax.io import operations
from crystal_jax.io import space_group_tables as tables
from crystal_jax.io.operations import Operations

# Largest distortion of a cell that has the symmetry of a setting exactly, up to
# rounding in the file: relative change of the metric.
_EXACT_DISTORTION = 1e-3


@dataclasses.dataclass(frozen=True)
class SpaceGroupStatement:
  """Statements of a file about its space group; None where one is missing.

  Attributes:
    names: Hermann-Mauguin names.
    number: Number in the International Tables.
    hall: Hall symbol.
    schoenflies: Schoenflies symbol.
    setting_code: Coordinate system code: '1', '2', 'H', 'R', 'b1' and so on.
  """

  names: tuple[str, ...] = ()
  number: str | None = None
  hall: str | None = None
  schoenflies: str | None = None
  setting_code: str | None = None

  def __str__(self):
    words = (*self.names, self.hall, self.number, self.schoenflies)
    return ', '.join(word for word in words if word)


class _Settings(NamedTuple):
  """Settings that one statement allows, by gemmi's names.

  Attributes:
    number: Number of the space group.
    conventional: Settings that convention suggests, such as unique axis b.
    all_settings: All settings, the conventional ones included.
  """

  number: int
  conventional: set[str]
  all_settings: set[str]


def matching_settings(
  statement: SpaceGroupStatement, cell: Float[np.ndarray, '3 3']
) -> list[Operations]:
  """Operations of the settings of a stated group that fit a cell.

  Conventional settings that fit exactly come first, then others that fit
  exactly, conventional ones that fit up to `operations.MAX_DISTORTION`, and all
  others. Only the first of these classes that has a setting is returned.

  Raises:
    ValueError: If the statement is not understood, contradicts itself, or names
      no group of this lattice.
  """
  stated = [_by_name(name, cell) for name in statement.names]
  if statement.hall:
    stated.append(_by_hall(statement.hall))
  number = _number(statement)
  if number is not None and not stated:
    stated = [_by_number(number)]
  if not stated:
    raise ValueError('no space group is stated; list the symmetry operations')
  conventional = set.intersection(*(each.conventional for each in stated))
  all_settings = set.intersection(*(each.all_settings for each in stated))
  numbers = {each.number for each in stated} | ({number} - {None})
  if statement.setting_code:
    code = statement.setting_code.lower()
    conventional, all_settings = (
      {name for name in names if code in tables.codes(name)}
      for names in (conventional, all_settings)
    )
  if len(numbers) > 1 or not all_settings:
    raise ValueError(
      f'contradictory space group: {statement}; keep what is right, or list '
      'the symmetry operations'
    )
  for limit in _EXACT_DISTORTION, operations.MAX_DISTORTION:
    for names in conventional, all_settings:
      groups = [tables.operations_of(name) for name in sorted(names)]
      fitting = [g for g in groups if operations.distortion(g, cell) <= limit]
      if fitting:
        return fitting
  raise ValueError(
    f'space group {statement} does not fit the cell: its operations do not map '
    'the lattice onto itself; give the cell of that setting, or list the '
    'symmetry operations'
  )


def stated_numbers(statement: SpaceGroupStatement) -> set[int]:
  """The numbers of the space groups that a statement names, if understood."""
  numbers = set()
  with contextlib.suppress(ValueError):
    numbers.add(_number(statement))
  for name in statement.names:
    with contextlib.suppress(ValueError):
      numbers.add(_by_name(name).number)
  if statement.hall:
    with contextlib.suppress(ValueError):
      numbers.add(_by_hall(statement.hall).number)
  return {number for number in numbers if number is not None}


def _by_name(
  name: str, cell: Float[np.ndarray, '3 3'] | None = None
) -> _Settings:
  """Settings of a Hermann-Mauguin name, short or full.

  Args:
    name: Hermann-Mauguin name.
    cell: The cell, which decides between axes; None: any.
  """
  import gemmi

  plain = tables.plain(name)
  angles = () if cell is None else ase.cell.Cell(cell).angles()[[0, 2]]
  setting = gemmi.find_spacegroup_by_name(plain, *angles)
  if setting is None:
    return _by_short_name(plain) or _by_full_name(name)
  if tables.is_misread(plain, setting.hm):
    raise ValueError(_unknown(name))
  number = setting.number
  if ':' in name or re.search(r'\s[HR]$', plain):
    return _Settings(number, {setting.xhm()}, {setting.xhm()})
  table = tables.settings_of(number)
  conventional = {each.xhm() for each in table if each.hm == setting.hm}
  all_settings = set(conventional)
  if tables.squeezed(plain) != tables.squeezed(setting.hm):
    # P 2/m for P 1 2/m 1.
    short = tables.without_ones(setting.hm)
    all_settings |= {
      each.xhm() for each in table if tables.without_ones(each.hm) == short
    }
  return _Settings(number, conventional, all_settings)


def _by_short_name(plain: str) -> _Settings | None:
  """Settings of a short name of one group, such as P 21/b; or None."""
  names, numbers = tables.short_names().get(plain.lower(), (set(), set()))
  if len(numbers) != 1:
    return None
  return _Settings(next(iter(numbers)), names, names)


def _by_full_name(name: str) -> _Settings:
  halls = tables.full_names().get(tables.squeezed(name), ())
  settings = [_by_hall(hall) for hall in halls]
  if not settings or len({each.number for each in settings}) > 1:
    raise ValueError(_unknown(name))
  names = set.union(*(each.all_settings for each in settings))
  return _Settings(settings[0].number, names, names)


def _by_number(number: int) -> _Settings:
  import gemmi

  setting = gemmi.find_spacegroup_by_number(number)
  if setting is None:
    raise ValueError(_unknown(str(number)))
  table = tables.settings_of(number)
  conventional = {each.xhm() for each in table if each.hm == setting.hm}
  return _Settings(number, conventional, {each.xhm() for each in table})


def _by_hall(symbol: str) -> _Settings:
  import gemmi

  try:
    setting = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(symbol))
  except RuntimeError:
    setting = None
  if setting is None:
    raise ValueError(_unknown(symbol))
  return _Settings(setting.number, {setting.xhm()}, {setting.xhm()})


def _number(statement: SpaceGroupStatement) -> int | None:
  """The number that a statement gives, directly or by Schoenflies symbol."""
  numbers = set()
  if statement.number:
    if not statement.number.isdecimal():
      raise ValueError(_unknown(statement.number))
    numbers.add(int(statement.number))
  if statement.schoenflies:
    symbol = re.sub(r'[\s_{}]', '', statement.schoenflies).lower()
    number = tables.schoenflies_numbers().get(symbol)
    if number is None:
      raise ValueError(_unknown(statement.schoenflies))
    numbers.add(number)
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
