"""Atoms of a crystal in each coded representation, for evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from jaxtyping import Array

from crystal_jax.density import BoxGrid
from crystal_jax.evaluation.atoms import Atoms
from crystal_jax.evaluation.box_view import BoxView
from crystal_jax.evaluation.cell_view import CellView
from crystal_jax.evaluation.comparison import AtomComparison
from crystal_jax.plots import Scene
from crystal_jax.representation import Cell, CodedBox, Representation
from crystal_jax.structure.crystal import Crystal

__all__ = ['BoxView', 'CellView', 'View', 'make_view']


class View(Protocol):
  """The atoms of a crystal that a representation's density contains.

  `CellView`: those of the cell; `BoxView`: those inside the box.
  """

  @property
  def ablations(self) -> tuple[str, ...]:
    """Those of `reconstruction.ABLATIONS` that apply."""

  @property
  def lengths(self) -> tuple[float, ...]:
    """Largest lattice vectors of the subsets that get rows of their own, Å."""

  @property
  def repeating_grid(self) -> BoxGrid | None:
    """The grid of a box that holds periodic images; None otherwise."""

  def read(
    self, outputs: Mapping[str, Array]
  ) -> list[tuple[Crystal | str, Atoms | None]]:
    """Crystals read from network outputs, and the atoms they are made of.

    Returns:
      For each output, the crystal, or the reason why none was found; and the
      atoms in the box, or None if they are those of the crystal.
    """

  def atoms(self, crystal: Crystal, true: Crystal) -> Atoms:
    """The atoms of a decoded crystal that the density contains.

    Args:
      crystal: A decoded crystal, in the frame of `true`.
      true: The true crystal.
    """

  def compare(self, true: Crystal, atoms: Atoms) -> AtomComparison:
    """Compares decoded atoms with those of the true crystal."""

  def scene(self, crystal: Crystal, true: Crystal) -> Scene:
    """The picture of a crystal; arguments as for `atoms`."""


def make_view(representation: Representation) -> View:
  """The view of a coded representation.

  Raises:
    TypeError: If it has no view.
  """
  if isinstance(representation, Cell):
    return CellView(representation)
  if isinstance(representation, CodedBox):
    return BoxView(representation)
  raise TypeError(
    'Need a Cell or a CodedBox to evaluate whole crystals, not a '
    f'{type(representation).__name__}.'
  )
