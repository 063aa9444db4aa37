"""Atoms moved to the symmetric positions that they nearly have.

The errors of a network differ from atom to atom, but a crystal's symmetry
relates its atoms. The space group is found within a tolerance (spglib), and
every atom moves to the mean of its images under the operations. The lattice,
the basis, the origin and the order of the atoms stay.

A decoded cell is primitive. A tolerance at which spglib finds a translation
within the cell is therefore too wide.
"""

from __future__ import annotations

import numpy as np
import spglib

from crystal_jax.structure import primitive
from crystal_jax.structure.crystal import Crystal

# Å; default of a codec's `symmetrize`. Chosen on 400 crystals of mp_le20_val
# for the codec mp_20.
TOLERANCE = 0.2
# Largest distance between an atom and an image of it, in tolerances; operations
# with a larger one are left out. Set by hand.
_MAX_DISTANCE = 3.0
# Å; added to the distance between atoms of different species.
_OTHER_SPECIES = 1e3


def symmetrize_positions(crystal: Crystal, tolerance: float) -> Crystal:
  """The crystal with atoms in symmetric positions.

  Args:
    crystal: One crystal in a primitive cell, without empty slots.
    tolerance: Tolerance of spglib, Å. If it finds a translation within the
      cell, a half or a quarter of it.

  Returns:
    A crystal with the same cell and species; with the same positions too, if
    spglib finds no symmetry, or a translation at every tolerance.
  """
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  fractional = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  found = _symmetry((cell, fractional, numbers), tolerance)
  if found is None:
    return crystal
  images = (
    fractional @ found.rotations.swapaxes(1, 2) + found.translations[:, None]
  )
  offsets = _offsets(images, fractional, cell, numbers, tolerance)
  fractional = fractional + offsets.sum(axis=0) / max(1, len(offsets))
  return Crystal(numbers, fractional @ cell, cell)


def _symmetry(atoms, tolerance):
  """The group at the first tolerance without a translation; None: none."""
  for part in (1.0, 0.5, 0.25):
    found = primitive.quietly(
      spglib.get_symmetry_dataset, atoms, part * tolerance
    )
    if found is None:
      return None
    is_identity = found.rotations == np.eye(3, dtype=int)[None]
    if is_identity.all(axis=(1, 2)).sum() == 1:
      return found
  return None


def _offsets(images, fractional, cell, numbers, tolerance):
  """Offsets from each atom to its image under each operation, [R, N, 3].

  Without the operations that do not map every atom to one of its species.
  """
  between = images[:, :, None] - fractional[None, None]
  between -= np.rint(between)
  distances = np.linalg.norm(between @ cell, axis=-1)
  distances += _OTHER_SPECIES * (numbers[:, None] != numbers)[None]
  nearest = distances.argmin(axis=2)[..., None]
  atoms = np.arange(len(fractional))[None, :, None]
  is_permutation = np.sort(nearest, axis=1) == atoms
  is_near = distances.min(axis=2) < _MAX_DISTANCE * tolerance
  kept = is_permutation.all(axis=(1, 2)) & is_near.all(axis=1)
  steps = np.take_along_axis(between, nearest[..., None], axis=2)[:, :, 0]
  offsets = np.zeros_like(steps)
  np.put_along_axis(offsets, nearest, steps, axis=1)
  return offsets[kept]
