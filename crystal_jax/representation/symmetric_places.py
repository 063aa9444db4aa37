"""Atoms moved to the symmetric places that they nearly have.

A network is wrong about each atom by a little, and differently about each; a
crystal's symmetry says which of them have to agree. So the space group is found
within a tolerance (spglib), and every atom goes to the mean of where the group
takes it and its like. It costs no latent. The lattice, the basis, the origin
and the order of the atoms stay as they are.
"""

from __future__ import annotations

import warnings

import numpy as np
import spglib

from crystal_jax.crystal import Crystal

# An operation of the group found may miss an atom by this many tolerances.
# Chosen by hand.
_REACH = 3.0
# Å; added to the distance between atoms of different species.
_FAR = 1e3


def symmetrize_places(crystal: Crystal, tolerance: float) -> Crystal:
  """The crystal with atoms in symmetric places.

  Args:
    crystal: One crystal, without empty slots.
    tolerance: How far atoms may be from symmetric places, Å.

  Returns:
    A crystal with the same cell and species; the same places if spglib finds no
    symmetry.
  """
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  places = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', DeprecationWarning)
    found = spglib.get_symmetry_dataset((cell, places, numbers), tolerance)
  if found is None:
    return crystal
  moves = [np.zeros_like(places)]  # Of the identity.
  for rotation, shift in zip(found.rotations, found.translations, strict=True):
    move = _move(places @ rotation.T + shift, places, cell, numbers, tolerance)
    if move is not None:
      moves.append(move)
  moved = places + np.sum(moves, axis=0) / max(1, len(moves) - 1)
  return Crystal(numbers, moved @ cell, cell)


def _move(images, places, cell, numbers, tolerance):
  """From each atom to the image that falls on it, [N, 3]; None if not all."""
  apart = images[:, None] - places[None]
  apart -= np.rint(apart)
  distances = np.linalg.norm(apart @ cell, axis=-1)
  distances += _FAR * (numbers[:, None] != numbers)
  nearest = distances.argmin(axis=1)
  each = np.arange(len(nearest))
  once = len(np.unique(nearest)) == len(nearest)
  if not once or distances[each, nearest].max() > _REACH * tolerance:
    return None
  move = np.zeros_like(places)
  move[nearest] = apart[each, nearest]
  return move
