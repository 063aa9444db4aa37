"""How a crystal is shown to a network, and read back from what it says.

`protocol` says what a representation has to do; `box` is the
paper's cube, `cell` a crystal in its own coordinates.
"""

from crystal_jax.representation.box import Box
from crystal_jax.representation.cell import Cell
from crystal_jax.representation.protocol import (
  Arrays,
  Examples,
  Representation,
)

__all__ = ['Arrays', 'Box', 'Cell', 'Examples', 'Representation']
