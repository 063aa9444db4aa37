"""The lattice of a box of atoms, as `find_lattice` returns it."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from crystal_jax.structure import display


@dataclasses.dataclass(frozen=True)
class LatticeFit:
  """A lattice, and how well the box supports it.

  Attributes:
    cell: Lattice vectors as rows, Å, Niggli-reduced, in the box's frame; NaN
      where the box shows no period at all.
    score: From 0 to 1; the lattice is found at a half and more.
    found: Whether to rely on the lattice.
    centre: None, or the crystal also has the inversion x -> centre - x, Å. The
      inversion may show sites that the box does not.
  """

  cell: Float[np.ndarray, '3 3']
  score: float
  found: bool
  centre: Float[np.ndarray, '3'] | None = None

  def __repr__(self) -> str:
    """Whether a lattice is found, its score and parameters."""
    rows = ', '.join(f'{name} {text}' for name, text in self._rows().items())
    return f'LatticeFit({self._title()}, {rows})'

  def _repr_html_(self) -> str:
    """A table for notebooks."""
    return display.html_table(self._title(), self._rows())

  def _title(self) -> str:
    return 'found' if self.found else 'not found'

  def _rows(self) -> dict[str, str]:
    rows = {'score': f'{float(self.score):.2f}'}
    if np.isfinite(self.cell).all():
      lengths, angles = display.lattice(np.asarray(self.cell))
      rows |= {'lengths': lengths, 'angles': angles}
    if self.centre is not None:
      rows['inversion'] = 'yes'
    return rows
