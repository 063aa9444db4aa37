"""How many crystals of a set each shipped codec can encode.

As far as elements and atoms go, which is what most are refused for; that a
codec's grid tells all of a crystal's atoms apart is not looked at.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable

from crystal_jax.codec import weights_file

# What the counts are of, in words.
CHECKED = 'crystals whose elements and primitive cell it takes'

_FOLDER = pathlib.Path(__file__).parents[1] / 'weights'


def covering(elements: Iterable[str], atoms: int) -> list[str]:
  """The shipped codecs that take a crystal.

  Args:
    elements: Symbols of its elements.
    atoms: Of its primitive cell.
  """
  elements = set(elements)
  return [
    name
    for name, (known, most) in limits().items()
    if atoms <= most and elements <= known
  ]


@functools.cache
def limits() -> dict[str, tuple[frozenset[str], int]]:
  """Of each shipped codec: its elements, and how many atoms it takes."""
  found = {}
  for card in sorted(_FOLDER.glob(f'*/{weights_file.CARD}')):
    said = weights_file.read_card(card.parent)
    most = said['config'].get('cell', {}).get('max_atoms')
    if said.get('kind') == 'cell' and said['elements']:
      found[card.parent.name] = frozenset(said['elements']), most
  return found
