"""How a crystal is shown to a network, and read back from what it says.

`protocol` says what a representation has to do; `box` is the paper's cube,
`cell` a crystal in its own coordinates, `coded_box` the cube told
by element codes, a crystal always lying the same way.
"""

from crystal_jax.representation.box import Box
from crystal_jax.representation.cell import Cell
from crystal_jax.representation.coded_box import CodedBox
from crystal_jax.representation.protocol import (
  Arrays,
  Coded,
  Examples,
  Invertible,
  Representation,
)

__all__ = [
  'Arrays',
  'Box',
  'Cell',
  'Coded',
  'CodedBox',
  'Examples',
  'Invertible',
  'Representation',
]
