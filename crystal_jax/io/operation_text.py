"""Symmetry operations as text: '-y+1/2,x,z'."""

from __future__ import annotations

import fractions
import functools
import re

import numpy as np
from jaxtyping import Float

# One term of an operation: sign, axis, number, divisor.
_TERM = re.compile(r'([+-]?)(?:([xyz])|(\d+\.?\d*|\.\d+)(?:/(\d+))?)')


@functools.lru_cache(maxsize=4096)
def parse_operation(
  text: str,
) -> tuple[Float[np.ndarray, '3 3'], Float[np.ndarray, '3']]:
  """The rotation and the translation of '-y+1/2, x, z'.

  Raises:
    ValueError: If the text is not an operation.
  """
  rotation, translation = np.zeros((3, 3)), np.zeros(3)
  rows = re.sub(r'\s', '', text.lower()).split(',')
  for row, expression in enumerate(rows if len(rows) == 3 else ()):
    for sign, axis, numerator, divisor in _terms(text, expression):
      factor = -1 if sign == '-' else 1
      if axis:
        rotation[row, 'xyz'.index(axis)] += factor
      else:
        divisor = float(divisor or 1)
        if not divisor:
          raise ValueError(_malformed(text))
        translation[row] += factor * float(numerator) / divisor
  if abs(abs(np.linalg.det(rotation)) - 1) > 1e-6:
    raise ValueError(_malformed(text))
  # 0.3333 is a third.
  nearest = np.round(translation * 24) / 24
  is_close = np.abs(translation - nearest) < 1e-3
  return rotation, np.where(is_close, nearest, translation)


def _terms(text: str, expression: str) -> list[tuple]:
  terms = re.split(r'(?=[+-])', expression)
  matches = [_TERM.fullmatch(term) for term in terms if term]
  groups = [match.groups() for match in matches if match]
  if not groups or len(groups) < len(matches):
    raise ValueError(_malformed(text))
  return groups


def _malformed(text: str) -> str:
  return f'symmetry operation {text!r} is malformed; write it as -y+1/2,x,z'


def format_operation(
  rotation: Float[np.ndarray, '3 3'], translation: Float[np.ndarray, '3']
) -> str:
  """One operation as text: '-y+1/2,x,z'."""
  rows = []
  for coefficients, shift in zip(rotation, translation, strict=True):
    row = ''.join(
      f'{"-" if c < 0 else "+"}{axis}'
      for c, axis in zip(coefficients, 'xyz', strict=True)
      if c
    ).removeprefix('+')
    rows.append(row + _fraction(shift))
  return ','.join(rows)


def _fraction(shift: float) -> str:
  """A translation as text: '+1/3'."""
  fraction = fractions.Fraction(float(shift)).limit_denominator(48)
  if abs(float(fraction) - shift) > 1e-6:
    return f'{shift:+.8g}'
  return f'{"+" if fraction > 0 else ""}{fraction}' if fraction else ''
