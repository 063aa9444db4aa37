"""Symmetrized atomic positions of a decoded crystal.

The errors of a network differ from atom to atom, but a crystal's symmetry
relates its atoms. spglib finds the space group within a tolerance. Each atom
moves to the mean of the images of equivalent atoms that coincide with it within
the tolerance. The lattice, the basis, the origin and the order of the atoms
stay.

A decoded cell is primitive, so it has no pure translation. A tolerance at which
spglib finds one is too wide.
"""

from __future__ import annotations

import numpy as np
import spglib

from crystal_jax.structure import primitive
from crystal_jax.structure.crystal import Crystal

# Tolerance of spglib, Å; default of a codec's `symmetrize`. Chosen on 400
# crystals of mp_le20_val for the codec mp_20.
TOLERANCE = 0.2
# Largest distance between an atom and the image that lands on it, as a multiple
# of `tolerance` before it is halved; operations with a larger one are left out.
# Set by hand.
_MAX_DISTANCE_RATIO = 3.0
# Added to the distance between atoms of different species, Å.
_OTHER_SPECIES_PENALTY = 1e3


def symmetrize_positions(crystal: Crystal, tolerance: float) -> Crystal:
  """The crystal with atoms in symmetric positions.

  Args:
    crystal: One crystal in a primitive cell, without empty slots.
    tolerance: Tolerance of spglib, Å. Halved up to twice while spglib finds a
      pure translation, which a primitive cell cannot have.

  Returns:
    A crystal with the same cell and species. Its positions are the given ones
    if spglib finds no symmetry, or a pure translation at every tolerance.
  """
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  fractional = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  group = _symmetry((cell, fractional, numbers), tolerance)
  if group is None:
    return crystal
  images = (
    fractional @ group.rotations.swapaxes(1, 2) + group.translations[:, None]
  )
  displacements = _image_displacements(
    images, fractional, cell, numbers, tolerance
  )
  mean = displacements.sum(axis=0) / max(1, len(displacements))
  fractional = fractional + mean
  return Crystal(numbers, fractional @ cell, cell)


def _symmetry(atoms, tolerance):
  """The space group without pure translations, or None.

  It is that of the widest tolerance, of the given one, its half and its
  quarter, at which spglib finds no pure translation.
  """
  for factor in (1.0, 0.5, 0.25):
    group = primitive.quietly(
      spglib.get_symmetry_dataset, atoms, factor * tolerance
    )
    if group is None:
      return None
    is_identity = group.rotations == np.eye(3, dtype=int)[None]
    if is_identity.all(axis=(1, 2)).sum() == 1:
      return group
  return None


def _image_displacements(images, fractional, cell, numbers, tolerance):
  """Displacement from each atom to the image that lands on it, [R, N, 3].

  One row for each operation. Operations that do not permute the atoms of each
  species within `_MAX_DISTANCE_RATIO * tolerance` are left out.
  """
  differences = images[:, :, None] - fractional[None, None]
  differences -= np.rint(differences)
  distances = np.linalg.norm(differences @ cell, axis=-1)
  distances += _OTHER_SPECIES_PENALTY * (numbers[:, None] != numbers)[None]
  nearest = distances.argmin(axis=2)[..., None]
  atoms = np.arange(len(fractional))[None, :, None]
  is_permutation = np.sort(nearest, axis=1) == atoms
  is_near = distances.min(axis=2) < _MAX_DISTANCE_RATIO * tolerance
  is_kept = is_permutation.all(axis=(1, 2)) & is_near.all(axis=1)
  by_image = np.take_along_axis(differences, nearest[..., None], axis=2)
  by_atom = np.zeros_like(by_image[:, :, 0])
  np.put_along_axis(by_atom, nearest, by_image[:, :, 0], axis=1)
  return by_atom[is_kept]
