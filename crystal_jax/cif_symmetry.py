"""The symmetry that a CIF states: listed operations, or a space group's name.

A wrong guess would be wrong atoms, so that whatever is unclear is refused.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import ase.cell
import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:  # Imported late: most files list their operations.
  import ase.spacegroup

# Images of one site closer than this, Å, are one atom on a special position
# whose coordinates were rounded.
_SAME_SITE = 0.1

# How far a symmetry operation may change a lattice, whose lengths are rounded.
_MISFIT = 0.05

# One summand of a symmetry operation: sign, axis, number, divisor.
_TERM = re.compile(r'([+-]?)(?:([xyz])|(\d+\.?\d*|\.\d+)(?:/(\d+))?)')

# Space groups with a hexagonal and a rhombohedral cell, and with two origins:
# their name alone does not say which is meant.
_RHOMBOHEDRAL = (146, 148, 155, 160, 161, 166, 167)
_TWO_ORIGINS = (
  *(48, 50, 59, 68, 70, 85, 86, 88, 125, 126, 129, 130, 133, 134, 137),
  *(138, 141, 142, 201, 203, 222, 224, 227, 228),
)


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


def named_group(number, name, cell) -> ase.spacegroup.Spacegroup:
  """A space group of which only the number or the name is known.

  Raises:
    ValueError: If that leaves open which setting is meant.
  """
  import ase.spacegroup

  known = number is not None
  short, choice = name, ''
  if short and ':' in short:
    short, choice = (part.strip() for part in short.split(':'))
  unclear = ValueError(
    f'space group {name or number} does not tell which setting is meant; list '
    'its symmetry operations'
  )
  try:
    group = ase.spacegroup.Spacegroup(int(number) if known else _short(short))
  except Exception as error:
    raise unclear from error
  if short and not _same_group(short, group):
    raise unclear
  if group.no in _TWO_ORIGINS and choice not in ('1', '2'):
    raise unclear
  if group.no in _RHOMBOHEDRAL:
    hexagonal = np.allclose(cell.angles(), (90, 90, 120), atol=1e-3)
    choice = '1' if hexagonal else '2'
  return ase.spacegroup.Spacegroup(group.no, int(choice or 1))


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


def _short(name: str) -> str:
  """'P 1 21/c 1' is 'P 21/c' along the usual axis."""
  words = name.replace('_', '').split()
  if len(words) == 4 and words[1] == words[3] == '1':
    words = [words[0], words[2]]
  return ' '.join(words)


def _same_group(name: str, group: ase.spacegroup.Spacegroup) -> bool:
  """Whether a name is that of a space group, also without bars: 'F m 3 m'."""
  first, second = (
    _short(text).replace(' ', '').lower() for text in (name, group.symbol)
  )
  without_bar = second.replace('-3', '3') if group.no >= 195 else second
  return first in (second, without_bar)
