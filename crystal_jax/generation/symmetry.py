"""Symmetry of a sampled crystal; symmetrization of lattice and positions."""

from __future__ import annotations

import numpy as np
import spglib
from jaxtyping import Float

from crystal_jax.representation.symmetric_positions import symmetrize_positions
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.primitive import quietly


def symmetrized(crystal: Crystal, tolerance: float) -> Crystal:
  """The crystal with the symmetry that spglib finds within a tolerance.

  The metric of the lattice becomes its mean over the operations. Each atom
  moves to the mean of the images of equivalent atoms that coincide with it.

  Args:
    crystal: One crystal in a primitive cell, without empty slots.
    tolerance: Tolerance of spglib, Å.

  Returns:
    A crystal with the same species; the same one if spglib finds no symmetry.
  """
  found = symmetry_dataset(crystal, tolerance)
  if found is None:
    return crystal
  cell = np.asarray(crystal.cell, np.float64)
  # x' = R x leaves distances as they are if Rᵀ G R = G, with G = cell cellᵀ.
  rotations = np.unique(found.rotations, axis=0).astype(np.float64)
  metric = cell @ cell.T
  metric = np.mean(rotations.swapaxes(1, 2) @ metric @ rotations, axis=0)
  # The new cell is a lower triangle in the orientation of the given cell.
  orientation, upper = np.linalg.qr(cell.T)
  orientation = orientation * np.sign(np.diag(upper))[None]
  symmetric_cell = np.linalg.cholesky(metric) @ orientation.T
  positions = _fractional(crystal) @ symmetric_cell
  return symmetrize_positions(
    Crystal(np.asarray(crystal.numbers), positions, symmetric_cell), tolerance
  )


def symmetry_dataset(
  crystal: Crystal, tolerance: float
) -> spglib.SpglibDataset | None:
  """Symmetry of a crystal by spglib; None if it finds none.

  Args:
    crystal: One crystal, without empty slots.
    tolerance: Tolerance of spglib, Å.
  """
  cell = np.asarray(crystal.cell, np.float64)
  atoms = cell, _fractional(crystal), np.asarray(crystal.numbers)
  return quietly(spglib.get_symmetry_dataset, atoms, symprec=tolerance)


def _fractional(crystal: Crystal) -> Float[np.ndarray, 'N 3']:
  inverse = np.linalg.inv(np.asarray(crystal.cell, np.float64))
  return np.asarray(crystal.positions, np.float64) @ inverse
