"""`DecodedAtoms`: the atoms of a density, as a pytree of arrays."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.structure import display


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DecodedAtoms:
  """Atoms found in a density, in K slots: inside, then outside, by weight.

  Attributes:
    positions: Positions, Å; on a CellGrid inside the cell. Zero in empty slots.
    numbers: Atomic numbers, 1 to 94; 0 in empty slots.
    weights: Fitted weights; without logits, atomic numbers are rounded weights.
    mask: Which slots hold an atom.
    inside: Which slots hold an atom inside the walls.
    residual: RMS of the residual density over the RMS of the density.
    overflow: Whether more atoms were found than there are slots.
    length: Side of the box, Å, or None for a cell. Static.
  """

  positions: Float[Array, '*B K 3']
  numbers: Int[Array, '*B K']
  weights: Float[Array, '*B K']
  mask: Bool[Array, '*B K']
  inside: Bool[Array, '*B K']
  residual: Float[Array, '*B']
  overflow: Bool[Array, '*B']
  length: float | None = dataclasses.field(
    default=None, metadata={'static': True}
  )

  def __repr__(self) -> str:
    """Formulas inside and outside the walls, and the residual."""
    title = self._title()
    if title is None:
      leaves = {name: x for name, x in vars(self).items() if name != 'length'}
      return display.shapes('DecodedAtoms', leaves)
    rows = ', '.join(f'{name} {text}' for name, text in self._rows().items())
    return f'DecodedAtoms({title}, {rows})'

  def _repr_html_(self) -> str | None:
    """A table for notebooks."""
    title = self._title()
    return None if title is None else display.html_table(title, self._rows())

  def _title(self) -> str | None:
    """Formula of the atoms inside the walls; None without values to read."""
    leaves = (self.numbers, self.mask, self.inside, self.residual)
    if not display.is_concrete(*leaves) or np.ndim(self.numbers) != 1:
      return None
    return self._formula(np.asarray(self.inside)) or 'no atoms'

  def _rows(self) -> dict[str, str]:
    mask, inside = np.asarray(self.mask), np.asarray(self.inside)
    where = {} if self.length is None else {'box': f'{self.length:g} Å'}
    outside = self._formula(mask & ~inside)
    if outside:
      where['outside the walls'] = outside
    overflow = ', more than there are slots' if np.any(self.overflow) else ''
    return {
      **where,
      'atoms': f'{int(mask.sum())} in {len(mask)} slots{overflow}',
      'residual': f'{float(self.residual):.2g}',
    }

  def _formula(self, slots: np.ndarray) -> str:
    return display.formula(np.where(slots, np.asarray(self.numbers), 0))
