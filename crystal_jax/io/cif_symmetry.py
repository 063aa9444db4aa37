"""The symmetry that a CIF states: listed operations, or a space group's name.

A wrong guess would be wrong atoms, so that whatever is unclear is refused.
"""

from __future__ import annotations

import functools
import re

import ase.cell
import numpy as np
from jaxtyping import Float

# Images of one site closer than this, Å, are one atom on a special position
# whose coordinates were rounded.
_SAME_SITE = 0.1

# How far a symmetry operation may change a lattice, whose lengths are rounded.
_MISFIT = 0.05

# One summand of a symmetry operation: sign, axis, number, divisor.
_TERM = re.compile(r'([+-]?)(?:([xyz])|(\d+\.?\d*|\.\d+)(?:/(\d+))?)')


def parse_operations(listed: list[str], cell: ase.cell.Cell):
  """Operations such as '-y+1/2, x, z'; each has to fit the cell.

  Returns:
    Rotations [S, 3, 3] and translations [S, 3].

  Raises:
    ValueError: If one cannot be read, or is none of this lattice.
  """
  operations = [_parse_operation(text) for text in listed]
  rotations, translations = map(np.stack, zip(*operations, strict=True))
  if len(listed) > 1:
    metric = cell.array @ cell.array.T
    size = np.sqrt(np.diag(metric))
    turned = rotations.transpose(0, 2, 1) @ metric @ rotations
    change = np.abs(turned - metric) / np.outer(size, size)
    worst = change.max(axis=(1, 2))
    if worst.max() > _MISFIT:
      raise ValueError(
        f'symmetry operation {listed[worst.argmax()]!r} does not map the '
        'lattice onto itself'
      )
  return rotations, translations


def named_group(name: str | None, number: str | None, cell: ase.cell.Cell):
  """Operations of a space group of which only name or number are known.

  Only the number: the standard setting. Hexagonal or rhombohedral, if the name
  does not say it, is told from the cell; one of two origins can't be.

  Returns:
    Rotations [S, 3, 3] and translations [S, 3], centring included.

  Raises:
    ValueError: If that leaves open which setting is meant.
  """
  import gemmi

  unclear = ValueError(
    f'space group {name or number} does not tell which setting is meant; list '
    'its symmetry operations'
  )
  try:
    number = int(number) if number else None
  except ValueError:
    raise unclear from None
  if name is None:
    group = gemmi.find_spacegroup_by_number(number)
    name = group.hm if group else ''
  alpha, _, gamma = cell.angles()
  group = gemmi.find_spacegroup_by_name(name, alpha, gamma)
  if group is None or number not in (None, group.number):
    raise unclear
  if group.ext in ('1', '2') and ':' not in name:
    raise unclear
  operations = list(group.operations())
  rotations = np.array([op.rot for op in operations], float)
  translations = np.array([op.tran for op in operations], float)
  return rotations / gemmi.Op.DEN, translations / gemmi.Op.DEN


def orbit(
  site: Float[np.ndarray, '3'],
  rotations: Float[np.ndarray, 'S 3 3'],
  translations: Float[np.ndarray, 'S 3'],
  cell: Float[np.ndarray, '3 3'],
) -> Float[np.ndarray, 'M 3']:
  """The distinct images of one site in the cell, fractional."""
  images = (rotations @ site + translations) % 1.0
  kept = []
  while len(images):
    kept.append(images[0])
    apart = images - images[0]
    apart = (apart - np.round(apart)) @ cell
    images = images[np.linalg.norm(apart, axis=-1) > _SAME_SITE]
  return np.stack(kept)


@functools.lru_cache(maxsize=1000)
def _parse_operation(text: str):
  """The rotation and the translation of '-y+1/2, x, z'."""
  rotation, translation = np.zeros((3, 3)), np.zeros(3)
  rows = text.lower().replace(' ', '').split(',')
  for row, expression in enumerate(rows if len(rows) == 3 else ()):
    for sign, axis, number, divisor in _terms(text, expression):
      factor = -1 if sign == '-' else 1
      if axis:
        rotation[row, 'xyz'.index(axis)] += factor
      else:
        translation[row] += factor * float(number) / float(divisor or 1)
  if abs(abs(np.linalg.det(rotation)) - 1) > 1e-6:
    raise ValueError(f'symmetry operation {text!r} is none')
  # 0.3333 is a third.
  whole = np.round(translation * 24) / 24
  near = np.abs(translation - whole) < 1e-3
  return rotation, np.where(near, whole, translation)


def _terms(text, expression) -> list[tuple[str | None, ...]]:
  terms = re.split(r'(?=[+-])', expression)
  matches = [_TERM.fullmatch(term) for term in terms if term]
  if None in matches or not matches:
    raise ValueError(f'symmetry operation {text!r} is none')
  return [match.groups() for match in matches]
