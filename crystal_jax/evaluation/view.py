"""What differs between coded representations in evaluation: the atoms shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from jaxtyping import Array

from crystal_jax.density import BoxGrid
from crystal_jax.evaluation.atoms import Atoms
from crystal_jax.evaluation.comparison import AtomComparison
from crystal_jax.plots import Scene
from crystal_jax.structure.crystal import Crystal


class View(Protocol):
  """The atoms of a crystal as a representation shows them."""

  @property
  def ablations(self) -> tuple[str, ...]:
    """Which of `reconstruction.ABLATIONS` apply."""

  @property
  def lengths(self) -> tuple[float, ...]:
    """Crystals with lattice vectors up to these lengths get rows, Å."""

  @property
  def repeating_grid(self) -> BoxGrid | None:
    """The grid of a box that holds periodic images; None otherwise."""

  def read(
    self, outputs: Mapping[str, Array]
  ) -> list[tuple[Crystal | str, Atoms | None]]:
    """Crystals (or reasons) of outputs, and the atoms they were read from.

    None where the atoms are those of the crystal.
    """

  def atoms(self, crystal: Crystal, true: Crystal) -> Atoms:
    """The atoms that the representation shows of a decoded crystal.

    Args:
      crystal: In the frame of `true`.
      true: The true crystal.
    """

  def compare(self, true: Crystal, atoms: Atoms) -> AtomComparison:
    """Compares decoded atoms with those of the true crystal."""

  def scene(self, crystal: Crystal, true: Crystal) -> Scene:
    """What is drawn of a crystal; arguments as for `atoms`."""
