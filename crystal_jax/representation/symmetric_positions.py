"""Symmetrized atomic positions of a decoded crystal.

The errors of a network differ from atom to atom, but a crystal's symmetry
relates its atoms. Each atom moves to the mean of the images of equivalent atoms
that coincide with it within a tolerance. The lattice, the basis, the origin and
the order of the atoms stay.

A decoded cell is primitive, so it has no pure translation. A tolerance at which
one is found is too wide.
"""

from __future__ import annotations

import numpy as np

from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.symmetry_operations import symmetry_operations

# Tolerance, Å; default of a codec's `symmetrize`. Chosen on 400 crystals of
# mp_le20_val for the codec mp_20.
TOLERANCE = 0.2
# Factors of the tolerance that are tried, until the operations are a group
# without pure translations.
_FACTORS = 1.0, 0.7, 0.5, 0.35, 0.25
# Rounds of averaging. The translations depend on the positions: each round
# leaves less of their error.
_ROUNDS = 4


def symmetrize_positions(crystal: Crystal, tolerance: float) -> Crystal:
  """The crystal with atoms in symmetric positions.

  Args:
    crystal: One crystal in a primitive cell, without empty slots, in a reduced
      basis: in another one, fewer symmetries are found.
    tolerance: Largest distance between an atom and an image, Å. Lowered to a
      quarter while there are pure translations, which a primitive cell cannot
      have, or the operations are no group.

  Returns:
    A crystal with the same cell and species. Its positions are the given ones
    if there is no symmetry, or no group at any tolerance.
  """
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  fractional = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  for factor in _FACTORS:
    operations = symmetry_operations(
      numbers, fractional, cell, factor * tolerance
    )
    if operations is not None:
      break
  else:
    return crystal
  if len(operations.rotations) == 1:
    return crystal
  fractional = _mean_of_images(fractional, operations)
  return Crystal(numbers, fractional @ cell, cell)


def _mean_of_images(fractional, operations):
  """Each atom at the mean of the images that come next to it."""
  rotations, translations, permutations = operations
  # The atom whose image comes to each atom.
  sources = np.argsort(permutations, axis=1)

  def images(fractional):
    moved = fractional @ rotations + translations[:, None]  # [R, N, 3]
    return np.take_along_axis(moved, sources[..., None], axis=1)

  lattice_vectors = np.rint(images(fractional) - fractional)
  for _ in range(_ROUNDS):
    displacements = images(fractional) - lattice_vectors - fractional
    # Translations that leave no common displacement.
    displacements -= displacements.mean(axis=1, keepdims=True)
    fractional = fractional + displacements.mean(axis=0)
  return fractional
