"""Which split a crystal belongs to: by its formula, so that none is in two.

The same formula goes to the same split in every data set, on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np

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
  names = list(dict.fromkeys(formulas))
  chosen = by_place([place(name) for name in names], fractions)
  split = {n: NAMES[which] for n, which in zip(names, chosen, strict=True)}
  return [split[formula] for formula in formulas]


def by_place(
  places: Sequence[float], fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> np.ndarray:
  """As `by_formula`, of the formulas' places: 0, 1 or 2 of `NAMES`, int."""
  ok = len(fractions) == 3 and min(fractions) >= 0 < fractions[0]
  if not ok or abs(sum(fractions) - 1) > 1e-6:
    raise ValueError(
      f'Need three shares that add up to 1, not {tuple(fractions)}.'
    )
  formulas, inverse = np.unique(np.asarray(places, float), return_inverse=True)
  which = _past(formulas, fractions)
  if fractions[1] and len(formulas) > 1 and 1 not in which:
    which[np.argmin(np.abs(formulas - fractions[0]))] = 1
  if len(formulas) and 0 not in which:
    rest = np.flatnonzero(which != 1)
    which[rest[0] if len(rest) else 0] = 0
  return which[inverse]


def by_hash(formula: str, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> str:
  """Train, val or test of one formula, whatever the others are."""
  return NAMES[_past(place(formula), fractions)]


def place(formula: str) -> float:
  """A number in [0, 1) that a formula always gets."""
  digest = hashlib.sha256(formula.encode()).digest()
  return int.from_bytes(digest[:8], 'big') / 2**64


def _past(places, fractions):
  """How many of the two borders lie before."""
  return (places >= fractions[0]) + 1 * (places >= fractions[0] + fractions[1])


def of_file(name: str) -> str:
  """The split that a file's name says: 'sub/train.csv, row 3' is of train."""
  return re.split(r'[./,]', name.rsplit('/', 1)[-1])[0]


def check_names(names: Iterable[str], where: str) -> None:
  """Raises a ValueError if one can be no name of a split; says `where`."""
  for name in sorted(names):
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) or name == 'all':
      raise ValueError(
        f'{name!r} in {where} is no name of a split, such as train, val or '
        'test.'
      )
