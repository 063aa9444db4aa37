"""Assignment of crystals to splits by a hash of the reduced formula.

No formula is in two splits of a data set, and a formula is in the same split of
every data set and on every machine. Exception: in a set so small that `train`
or `val` would be empty, one formula moves (`split_indices`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np

SPLITS = ('train', 'val', 'test')
# Shares of `SPLITS`.
DEFAULT_FRACTIONS = (0.8, 0.1, 0.1)


def split_indices(
  hashes: Sequence[float] | np.ndarray,
  fractions: Sequence[float] = DEFAULT_FRACTIONS,
) -> np.ndarray:
  """Index into `SPLITS` of each crystal, by the hash of its formula.

  If val would be empty and the set has at least two formulas, the formula whose
  hash is nearest to the lower bound of val moves there. If train would be
  empty, a formula of test moves there, or else of val.

  Args:
    hashes: `formula_hash` of each crystal.
    fractions: Shares of train, val and test.

  Raises:
    ValueError: If the fractions are not three shares that add up to 1.
  """
  check_fractions(fractions)
  unique_hashes, inverse = np.unique(
    np.asarray(hashes, float), return_inverse=True
  )
  split_index = _split_index(unique_hashes, fractions)
  if fractions[1] and len(unique_hashes) > 1 and 1 not in split_index:
    split_index[np.argmin(np.abs(unique_hashes - fractions[0]))] = 1
  if len(unique_hashes) and 0 not in split_index:
    not_val = np.flatnonzero(split_index != 1)
    split_index[not_val[0] if len(not_val) else 0] = 0
  return split_index[inverse]


def split_of_formula(
  formula: str, fractions: Sequence[float] = DEFAULT_FRACTIONS
) -> str:
  """Split of one formula, independent of the other formulas."""
  return SPLITS[_split_index(formula_hash(formula), fractions)]


def check_fractions(fractions: Sequence[float]) -> None:
  """Refuses fractions that are not the shares of train, val and test.

  Raises:
    ValueError: If the fractions are not three shares that add up to 1.
  """
  is_valid = len(fractions) == 3 and min(fractions) >= 0 and fractions[0] > 0
  if not is_valid or abs(sum(fractions) - 1) > 1e-6:
    raise ValueError(
      'Need three shares that add up to 1, none negative and that of train '
      f'positive, not {tuple(fractions)}.'
    )


def formula_hash(formula: str) -> float:
  """Hash of a formula as a number in [0, 1)."""
  digest = hashlib.sha256(formula.encode()).digest()
  return int.from_bytes(digest[:8], 'big') / 2**64


def split_from_filename(name: str) -> str:
  """The split in a file's name: 'train' of 'sub/train.csv, row 3'."""
  return re.split(r'[./,]', name.rsplit('/', 1)[-1])[0]


def check_split_names(names: Iterable[str], where: str) -> None:
  """Refuses names that cannot name a split.

  Raises:
    ValueError: If a name is not a letter and then letters, digits and _; the
      message names `where`.
  """
  for name in sorted(names):
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) or name == 'all':
      raise ValueError(
        f'{name!r} in {where} cannot name a split: use a letter, then letters, '
        'digits and _, such as train, val or test.'
      )


def _split_index(hashes, fractions):
  """Index into `SPLITS`: the number of bounds at or below a hash."""
  return (hashes >= fractions[0]) + 1 * (hashes >= fractions[0] + fractions[1])
