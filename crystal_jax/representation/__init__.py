"""Representations: crystals to network inputs, and outputs to crystals.

`protocol` defines their methods. `box` is the paper's cube of space, `cell` a
crystal in fractional coordinates, `coded_box` a cube of space whose density has
element codes as channels, around a crystal in its standard frame.
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
