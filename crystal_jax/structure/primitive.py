"""The primitive cell of a crystal; on the host, in float64."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import spglib
from jaxtyping import Float, Int

# How far, in Å, an atom may lie from where a translation of a smaller cell
# would have it. Pseudo-symmetric crystals differ from their ideal by 0.02 Å and
# more; files are rounded to 1e-4 Å.
SYMPREC = 5e-3


def primitive_cell(
  numbers: Int[np.ndarray, 'N'],
  fractional: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> tuple[
  Int[np.ndarray, 'M'], Float[np.ndarray, 'M 3'], Float[np.ndarray, '3 3']
]:
  """The primitive cell within `SYMPREC`, where there is a smaller one.

  Args:
    numbers: Atomic numbers, no empty slots.
    fractional: Fractional coordinates.
    cell: Lattice vectors as rows, Å.
  """
  if not _may_repeat(numbers, fractional, cell):
    return numbers, fractional, cell
  found = quietly(
    spglib.standardize_cell,
    (cell, fractional, numbers),
    to_primitive=True,
    no_idealize=True,
    symprec=SYMPREC,
  )
  if found is None:
    return numbers, fractional, cell
  small, places, species = found
  return np.asarray(species, np.int32), places % 1.0, small


def rarest_atoms(numbers: Int[np.ndarray, 'N']) -> Int[np.ndarray, 'K']:
  """Atoms of the species with the fewest atoms; of several, the heaviest."""
  species, counts = np.unique(numbers, return_counts=True)
  rarest = species[counts == counts.min()].max()
  return np.flatnonzero(numbers == rarest)


def quietly(function: Callable, *args: Any, **options: Any) -> Any:
  """A function of spglib without its word on how it will fail one day."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', DeprecationWarning)
    return function(*args, **options)


def _may_repeat(numbers, fractional, cell) -> bool:
  """Whether a translation by a part of the cell may keep the crystal.

  A quick look, in place of spglib's several milliseconds.
  """
  _, kinds, counts = np.unique(numbers, return_inverse=True, return_counts=True)
  if math.gcd(*counts.tolist()) == 1:
    return False
  rarest = np.flatnonzero(counts == counts.min())[-1]
  same = np.flatnonzero(kinds == rarest)
  few = fractional[same]
  for shift in few[1:] - few[0]:
    # The few of one species tell of most translations that they are none.
    if _near(few, shift, cell).any(1).all():
      near = _near(fractional, shift, cell)
      near &= numbers[:, None] == numbers[None]
      if near.any(1).all():
        return True
  return False


def _near(fractional, shift, cell) -> np.ndarray:
  """Which atoms, shifted, come to lie where others are, [N, N]."""
  apart = fractional[:, None] + shift - fractional[None]
  apart -= np.rint(apart)
  return np.linalg.norm(apart @ cell, axis=-1) < 2 * SYMPREC
