"""Coverage of the shipped codecs: elements and numbers of atoms they encode.

Most crystals that a codec refuses have too many atoms or an unknown element. A
crystal within the limits can be refused too, if two of its atoms share a voxel.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from crystal_jax.codec import shipped, weights_file

# Label of the number of crystals that each codec covers, for users.
LABEL = 'crystals whose elements and number of atoms the codec encodes'


class Limits(NamedTuple):
  """Limits of a codec.

  Attributes:
    elements: Symbols of the elements that the codec encodes. None: all.
    max_atoms: Maximum number of atoms of a primitive cell. None: no limit.
  """

  elements: frozenset[str] | None
  max_atoms: int | None

  def cover(self, elements: Set[str], atoms: int) -> bool:
    """Whether a crystal is within the limits.

    Args:
      elements: Symbols of its elements.
      atoms: Number of atoms in its primitive cell.
    """
    has_elements = self.elements is None or elements <= self.elements
    return has_elements and (self.max_atoms is None or atoms <= self.max_atoms)


def limits_of(card: Mapping[str, Any]) -> Limits:
  """Limits of a codec, from its card (`Codec.describe`)."""
  known = card.get('elements')
  max_atoms = None
  if card.get('kind') == 'cell':
    max_atoms = card.get('config', {}).get('cell', {}).get('max_atoms')
  return Limits(frozenset(known) if known else None, max_atoms)


def covering(elements: Iterable[str], atoms: int) -> list[str]:
  """Names of the shipped cell codecs whose limits cover a crystal.

  Args:
    elements: Symbols of its elements.
    atoms: Number of atoms in its primitive cell.
  """
  symbols = set(elements)
  return [
    name
    for name, limits in shipped_limits().items()
    if limits.cover(symbols, atoms)
  ]


@functools.cache
def shipped_limits() -> dict[str, Limits]:
  """Limits of each shipped cell codec."""
  cards = {
    name: weights_file.read_card(shipped.FOLDER / name)
    for name in shipped.names()
  }
  return {
    name: limits_of(card)
    for name, card in cards.items()
    if card.get('kind') == 'cell' and card['elements']
  }
