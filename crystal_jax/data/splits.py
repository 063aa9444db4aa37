"""Assignment of crystals to splits by a hash of the reduced formula.

No formula is in two splits of a data set, and a formula is in the same split of
every data set and on every machine; but for sets so small that `train` or `val`
would be empty (`by_formula`).
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
  """Split of each crystal: train, val or test, by a hash of its formula.

  If val would be empty and the set has at least two formulas, the formula whose
  hash is nearest to the lower bound of val moves there. If train would be
  empty, a formula of test moves there, or else of val.

  Args:
    formulas: Formula of each crystal.
    fractions: Shares of train, val and test.

  Raises:
    ValueError: If the fractions are not three shares that add up to 1.
  """
  names = list(dict.fromkeys(formulas))
  chosen = by_hash_value([hash_value(name) for name in names], fractions)
  split = {n: NAMES[which] for n, which in zip(names, chosen, strict=True)}
  return [split[formula] for formula in formulas]


def by_hash_value(
  values: Sequence[float] | np.ndarray,
  fractions: Sequence[float] = (0.8, 0.1, 0.1),
) -> np.ndarray:
  """As `by_formula`, from hash values: indices into `NAMES`, int."""
  is_valid = len(fractions) == 3 and min(fractions) >= 0 and fractions[0] > 0
  if not is_valid or abs(sum(fractions) - 1) > 1e-6:
    raise ValueError(
      'Need three shares that add up to 1, none negative and that of train '
      f'positive, not {tuple(fractions)}.'
    )
  formulas, inverse = np.unique(np.asarray(values, float), return_inverse=True)
  which = _split_index(formulas, fractions)
  if fractions[1] and len(formulas) > 1 and 1 not in which:
    which[np.argmin(np.abs(formulas - fractions[0]))] = 1
  if len(formulas) and 0 not in which:
    rest = np.flatnonzero(which != 1)
    which[rest[0] if len(rest) else 0] = 0
  return which[inverse]


def by_hash(formula: str, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> str:
  """Split of one formula, independent of the other formulas."""
  return NAMES[_split_index(hash_value(formula), fractions)]


def hash_value(formula: str) -> float:
  """Hash of a formula as a number in [0, 1)."""
  digest = hashlib.sha256(formula.encode()).digest()
  return int.from_bytes(digest[:8], 'big') / 2**64


def _split_index(values, fractions):
  """Index into `NAMES`: the number of bounds at or below a hash value."""
  return (values >= fractions[0]) + 1 * (values >= fractions[0] + fractions[1])


def of_file(name: str) -> str:
  """The split in a file's name: 'train' of 'sub/train.csv, row 3'."""
  return re.split(r'[./,]', name.rsplit('/', 1)[-1])[0]


def check_names(names: Iterable[str], where: str) -> None:
  """Raises a ValueError that names `where` if a name cannot be a split's."""
  for name in sorted(names):
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) or name == 'all':
      raise ValueError(
        f'{name!r} in {where} cannot name a split: use a letter, then letters, '
        'digits and _, such as train, val or test.'
      )
