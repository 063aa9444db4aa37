"""Symmetrization of a sampled crystal: lattice and positions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import spglib

from crystal_jax.representation.symmetric_positions import symmetrize_positions
from crystal_jax.structure.crystal import Crystal


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
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  fractional = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', DeprecationWarning)
    atoms: Any = (cell, fractional, numbers)
    found = spglib.get_symmetry_dataset(atoms, tolerance)
  if found is None:
    return crystal
  # x' = R x leaves distances as they are if Rᵀ G R = G, with G = cell cellᵀ.
  rotations = np.unique(found.rotations, axis=0).astype(np.float64)
  metric = cell @ cell.T
  metric = np.mean(rotations.swapaxes(1, 2) @ metric @ rotations, axis=0)
  # The new cell is a lower triangle in the orientation of the given cell.
  orientation, upper = np.linalg.qr(cell.T)
  orientation = orientation * np.sign(np.diag(upper))[None]
  symmetric_cell = np.linalg.cholesky(metric) @ orientation.T
  return symmetrize_positions(
    Crystal(numbers, fractional @ symmetric_cell, symmetric_cell), tolerance
  )
