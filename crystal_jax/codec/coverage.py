"""Coverage of the shipped codecs: elements and numbers of atoms they encode.

These are the most frequent reasons of a refusal. A crystal that passes may
still be refused because two of its atoms share a voxel.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from crystal_jax.codec import shipped, weights_file

# Description of the counts, for users.
CHECKED = 'crystals whose elements and primitive cell it takes'


def covering(elements: Iterable[str], atoms: int) -> list[str]:
  """Names of the shipped codecs that can encode a crystal.

  Args:
    elements: Symbols of its elements.
    atoms: Number of atoms in its primitive cell.
  """
  elements = set(elements)
  return [
    name
    for name, (known, most) in limits().items()
    if atoms <= most and elements <= known
  ]


@functools.cache
def limits() -> dict[str, tuple[frozenset[str], int]]:
  """Elements and largest number of atoms of each shipped cell codec."""
  found = {}
  for name in shipped.names():
    card = weights_file.read_card(shipped.FOLDER / name)
    most = card['config'].get('cell', {}).get('max_atoms')
    if card.get('kind') == 'cell' and card['elements']:
      found[name] = frozenset(card['elements']), most
  return found
