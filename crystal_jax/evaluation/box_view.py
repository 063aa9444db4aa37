"""The atoms inside a box, images included, compared in open space."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array

from crystal_jax.density import BoxGrid
from crystal_jax.evaluation.atoms import Atoms, atoms_in_box, decoded_atoms
from crystal_jax.evaluation.comparison import (
  MAX_DISTANCE,
  AtomComparison,
  compare_atoms,
)
from crystal_jax.plots import Scene
from crystal_jax.representation import CodedBox
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class BoxView:
  """The atoms inside the walls of a box, as in the paper.

  Attributes:
    representation: A coded box.
  """

  representation: CodedBox

  @property
  def ablations(self) -> tuple[str, ...]:
    """All: the lattice is read off the density, and can be wrong."""
    return 'networks', 'sampled', 'true_lattice', 'true_species', 'oracle'

  @property
  def lengths(self) -> tuple[float, ...]:
    """Two thirds of a 10 Å box, and all of it."""
    return 6.67, 10.0

  @property
  def repeating_grid(self) -> BoxGrid | None:
    """See `View.repeating_grid`."""
    box = self.representation.box
    return box.grid if box.repeats else None

  def read(
    self, outputs: Mapping[str, Array]
  ) -> list[tuple[Crystal | str, Atoms | None]]:
    """See `View.read`."""
    box = self.representation
    host = jax.device_get((*box.atoms(outputs), dict(outputs)))
    rows: list[tuple[Crystal | str, Atoms | None]] = []
    for i in range(len(host[0].positions)):
      found, code_distances, output = jax.tree.map(lambda x: x[i], host)  # noqa: B023
      crystal = box.crystal(found, code_distances, output)
      rows.append((crystal, decoded_atoms(host[0], i)))
    return rows

  def atoms(self, crystal: Crystal, true: Crystal) -> Atoms:
    """See `View.atoms`."""
    del true
    box = self.representation.box
    return atoms_in_box(
      np.asarray(crystal.positions),
      np.asarray(crystal.numbers),
      np.asarray(crystal.cell) if box.repeats else None,
      box.grid,
      MAX_DISTANCE,
    )

  def compare(self, true: Crystal, atoms: Atoms) -> AtomComparison:
    """See `View.compare`."""
    return compare_atoms(self.atoms(true, true), atoms)

  def scene(self, crystal: Crystal, true: Crystal) -> Scene:
    """See `View.scene`; the edges are those of the box."""
    atoms = self.atoms(crystal, true)
    length = self.representation.box.grid.length
    return Scene(
      positions=atoms.positions[atoms.inside],
      numbers=atoms.numbers[atoms.inside],
      origin=np.full(3, -length / 2),
      cell=length * np.eye(3),
    )
