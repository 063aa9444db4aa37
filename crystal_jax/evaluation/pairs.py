"""Pairs of true and decoded crystals, for an interactive page."""

from __future__ import annotations

from typing import Any

import ase.cell
import numpy as np

from crystal_jax import viewer
from crystal_jax.structure.crystal import Crystal


def pair(
  codec: Any, id_: str, true: Crystal, decoded: Crystal, note: str = ''
) -> list[viewer.Panel]:
  """Panels of a crystal and of the decoded one, in the same frame.

  Args:
    codec: Codec that decoded it.
    id_: Id of the crystal.
    true: The crystal.
    decoded: The decoded crystal.
    note: Note in the caption of the decoded one.
  """
  return [panel(in_frame(codec, true), id_), panel(decoded, f'decoded{note}')]


def panel(crystal: Crystal, label: str, symprec: float = 0.01) -> viewer.Panel:
  """A panel whose caption begins with a label.

  Args:
    crystal: The crystal.
    label: The label.
    symprec: Tolerance of the space group in the caption, Å.
  """
  caption = viewer.caption(crystal.to_ase(), symprec)
  return viewer.Panel(crystal, f'{label}: {caption}')


def in_frame(codec: Any, crystal: Crystal) -> Crystal:
  """A crystal as its codec would decode it, if it lost nothing.

  The primitive cell, basis, origin and orientation of a codec of cells, so that
  the pictures of a crystal and of the decoded one are alike. With a codec of
  boxes, which has none, the crystal as it is.
  """
  _, batch = codec.to_arrays([crystal])
  if 'fractional' not in batch:
    return crystal
  numbers = np.asarray(batch['numbers'][0])
  filled = numbers > 0
  parameters = ase.cell.Cell(np.asarray(batch['cell'][0], float)).cellpar()
  cell = ase.cell.Cell.fromcellpar(parameters)[:]
  fractional = np.asarray(batch['fractional'][0], float)[filled] % 1.0
  return Crystal(numbers[filled], fractional @ cell, cell)
