"""Which split a crystal belongs to: by its formula, so that none is in two.

The same formula goes to the same split in every data set, on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

NAMES = ('train', 'val', 'test')


def by_formula(
  formulas: Sequence[str], fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> list[str]:
  """Train, val or test of each crystal, by a hash of its reduced formula.

  If chance leaves val empty and there are two formulas or more, the one that
  came nearest to it is moved there; train is never empty.

  Args:
    formulas: Of each crystal.
    fractions: Shares of train, val and test.

  Raises:
    ValueError: If the fractions are no three shares that add up to 1.
  """
  ok = len(fractions) == 3 and min(fractions) >= 0 < fractions[0]
  if not ok or abs(sum(fractions) - 1) > 1e-6:
    raise ValueError(
      f'Need three shares that add up to 1, not {tuple(fractions)}.'
    )
  places = {formula: _place(formula) for formula in formulas}
  split = {formula: by_hash(formula, fractions) for formula in places}
  if fractions[1] and len(split) > 1 and 'val' not in split.values():
    split[min(split, key=lambda f: abs(places[f] - fractions[0]))] = 'val'
  if split and 'train' not in split.values():
    rest = [f for f in split if split[f] != 'val'] or list(split)
    split[min(rest, key=places.get)] = 'train'
  return [split[formula] for formula in formulas]


def by_hash(formula: str, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> str:
  """Train, val or test of one formula, whatever the others are."""
  place = _place(formula)
  past = (place >= fractions[0]) + (place >= fractions[0] + fractions[1])
  return NAMES[past]


def by_column(
  properties: Sequence[Mapping[str, float | str]], column: str
) -> list[str | None]:
  """The split that a property names; None where it says nothing.

  Raises:
    ValueError: If the property is nowhere, or is no name for a split.
  """
  found = [row.get(column) for row in properties]
  if not any(found):
    known = sorted(set().union(*properties))
    raise ValueError(f'No crystal has a column {column!r}; there are {known}.')
  for name in sorted({str(name) for name in found if name is not None}):
    _check_name(name, f'column {column!r}')
  return [None if name is None else str(name) for name in found]


def by_file(files: Sequence[str]) -> list[str]:
  """The split that a file's own name says: 'sub/train.csv, row 3' is train.

  Raises:
    ValueError: If that is no name for a split.
  """
  names = [re.split(r'[./,]', file.rsplit('/', 1)[-1])[0] for file in files]
  for name in sorted(set(names)):
    _check_name(name, 'a file name')
  return names


def _check_name(name: str, where: str) -> None:
  if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) or name == 'all':
    raise ValueError(
      f'{name!r} in {where} is no name of a split, such as train, val or test.'
    )


def _place(formula: str) -> float:
  """A number in [0, 1) that a formula always gets."""
  digest = hashlib.sha256(formula.encode()).digest()
  return int.from_bytes(digest[:8], 'big') / 2**64
