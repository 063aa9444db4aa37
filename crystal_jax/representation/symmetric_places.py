"""Atoms moved to the symmetric places that they nearly have.

A network is wrong about each atom by a little, and differently about each; a
crystal's symmetry says which of them have to agree. So the space group is found
within a tolerance (spglib), and every atom goes to the mean of where the group
takes it and its like. It costs no latent. The lattice, the basis, the origin
and the order of the atoms stay as they are.

A cell that was decoded is a primitive one. So a tolerance at which it holds two
alike halves is too wide for it.
"""

from __future__ import annotations

import warnings

import numpy as np
import spglib

from crystal_jax.structure.crystal import Crystal

# Å; what a codec does if its card says nothing. Chosen on 400 crystals of
# mp_le20_val for the codec `mp_20`.
TOLERANCE = 0.2
# An operation of the group found may miss an atom by this many tolerances.
# Chosen by hand.
_REACH = 3.0
# Å; added to the distance between atoms of different species.
_FAR = 1e3


def symmetrize_places(crystal: Crystal, tolerance: float) -> Crystal:
  """The crystal with atoms in symmetric places.

  Args:
    crystal: One crystal in a primitive cell, without empty slots.
    tolerance: How far atoms may be from symmetric places, Å. A half or a
      quarter of it where the whole finds a translation within the cell.

  Returns:
    A crystal with the same cell and species; the same places if spglib finds no
    symmetry, or a translation within the cell even so.
  """
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  places = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  found = _symmetry((cell, places, numbers), tolerance)
  if found is None:
    return crystal
  images = places @ found.rotations.swapaxes(1, 2) + found.translations[:, None]
  moves = _moves(images, places, cell, numbers, tolerance)
  moved = places + moves.sum(axis=0) / max(1, len(moves))
  return Crystal(numbers, moved @ cell, cell)


def _symmetry(atoms, tolerance):
  """The group within a tolerance, or a smaller one at which the cell is one."""
  for part in (1.0, 0.5, 0.25):
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', DeprecationWarning)
      found = spglib.get_symmetry_dataset(atoms, part * tolerance)
    if found is None:
      return None
    unturned = (found.rotations == np.eye(3, dtype=int)[None]).all(axis=(1, 2))
    if unturned.sum() == 1:
      return found
  return None


def _moves(images, places, cell, numbers, tolerance):
  """From each atom to the image that falls on it, of each operation, [R, N, 3].

  Without the operations that do not take every atom to one of its like.
  """
  apart = images[:, :, None] - places[None, None]
  apart -= np.rint(apart)
  distances = np.linalg.norm(apart @ cell, axis=-1)
  distances += _FAR * (numbers[:, None] != numbers)[None]
  nearest = distances.argmin(axis=2)[..., None]
  once = np.sort(nearest, axis=1) == np.arange(len(places))[None, :, None]
  near = distances.min(axis=2) < _REACH * tolerance
  kept = once.all(axis=(1, 2)) & near.all(axis=1)
  steps = np.take_along_axis(apart, nearest[..., None], axis=2)[:, :, 0]
  moves = np.zeros_like(steps)
  np.put_along_axis(moves, nearest, steps, axis=1)
  return moves[kept]
