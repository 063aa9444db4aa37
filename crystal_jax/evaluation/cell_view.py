"""All atoms of a cell, compared by periodic distances."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import ase.geometry
import numpy as np
from jaxtyping import Array

from crystal_jax.density import BoxGrid
from crystal_jax.evaluation.atoms import Atoms
from crystal_jax.evaluation.comparison import MAX_DISTANCE, AtomComparison
from crystal_jax.plots import Scene
from crystal_jax.representation import Cell
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class CellView:
  """All atoms of the cell; distances are the shortest over all images.

  Decoded atoms have the fractional coordinates of their own cell and are
  compared in the true one.

  Attributes:
    representation: A cell.
  """

  representation: Cell

  @property
  def ablations(self) -> tuple[str, ...]:
    """The lattice passes through the latent unchanged, so none of it."""
    return 'networks', 'sampled', 'oracle'

  @property
  def lengths(self) -> tuple[float, ...]:
    """None: the cell shows crystals of any length."""
    return ()

  @property
  def repeating_grid(self) -> BoxGrid | None:
    """None: the grid is one cell."""
    return None

  def read(
    self, outputs: Mapping[str, Array]
  ) -> list[tuple[Crystal | str, Atoms | None]]:
    """See `View.read`."""
    return [(c, None) for c in self.representation.crystals(outputs)]

  def atoms(self, crystal: Crystal, true: Crystal) -> Atoms:
    """See `View.atoms`."""
    cell = np.asarray(crystal.cell)
    fractional = np.asarray(crystal.positions) @ np.linalg.inv(cell)
    # Those at the upper faces are drawn at the lower ones.
    fractional = (fractional + 0.02) % 1.0 - 0.02
    numbers = np.asarray(crystal.numbers)
    positions = fractional @ np.asarray(true.cell)
    return Atoms(positions, numbers, np.ones(len(numbers), bool))

  def compare(self, true: Crystal, atoms: Atoms) -> AtomComparison:
    """See `View.compare`."""
    numbers = np.asarray(true.numbers)
    if not len(atoms.numbers):
      return AtomComparison(
        true_distances=np.full(len(numbers), MAX_DISTANCE),
        decoded_distances=np.zeros(0),
        true_numbers=numbers,
        nearest_numbers=np.zeros_like(numbers),
        count_exact=False,
      )
    _, distances = ase.geometry.get_distances(
      np.asarray(true.positions),
      atoms.positions,
      cell=np.asarray(true.cell),
      pbc=True,
    )
    return AtomComparison(
      true_distances=distances.min(axis=1),
      decoded_distances=distances.min(axis=0),
      true_numbers=numbers,
      nearest_numbers=atoms.numbers[distances.argmin(axis=1)],
      count_exact=len(numbers) == len(atoms.numbers),
    )

  def scene(self, crystal: Crystal, true: Crystal) -> Scene:
    """See `View.scene`; the edges are those of the true cell."""
    atoms = self.atoms(crystal, true)
    cell = np.asarray(true.cell)
    return Scene(atoms.positions, atoms.numbers, np.zeros(3), cell)
