"""Numbers in the fields of a text file, Fortran's notation included."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

_EXPONENT = re.compile(r'(?<=[\d.])[dD](?=[+-]?\d)')
# Names of a column of occupancies, as programs spell them.
OCCUPANCY = re.compile(
  '(site_|chemical_|fract_|frac_)?(occ|occup|occupanc(y|ies)|occupations?|sof|'
  'population)(_(factors?|fractions?|value))?|frac',
  re.IGNORECASE,
)


def real(text: str, meaning: str) -> float:
  """A number such as 0.5, 5e-1 or 5D-1.

  Raises:
    ValueError: If the text is not a number; `meaning` names it in the error.
  """
  try:
    if '_' in text:  # Python reads 1_0 as 10.
      raise ValueError
    return float(_EXPONENT.sub('e', text))
  except ValueError:
    raise ValueError(f'{meaning} is not a number: {text[:40]!r}') from None


def reals(texts: Sequence[str], meaning: str) -> Float[np.ndarray, 'N']:
  """Numbers of several fields.

  Raises:
    ValueError: If one is not a number.
  """
  return np.array([real(text, meaning) for text in texts], np.float64)


def count(text: str, meaning: str) -> int:
  """A number of atoms.

  Raises:
    ValueError: If the text is not an integer, at least 0.
  """
  if not (text.isascii() and text.isdecimal()) or len(text) > 12:
    raise ValueError(f'{meaning} is not a count: {text[:40]!r}')
  return int(text)
