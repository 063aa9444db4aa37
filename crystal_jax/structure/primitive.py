"""Primitive cells, found from pure translations. Host NumPy, float64."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import spglib
from jaxtyping import Float, Int

from crystal_jax.structure import supercell

# Largest distance, Å, between an atom and its image under a translation of the
# primitive cell. Pseudo-symmetric crystals deviate by 0.02 Å and more; files
# are rounded to 1e-4 Å.
SYMPREC = 5e-3

# Maximum number of atoms that spglib is given: its time grows with their cube.
_MAX_SPGLIB_ATOMS = 128


def primitive_cell(
  numbers: Int[np.ndarray, 'N'],
  fractional: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> tuple[
  Int[np.ndarray, 'M'], Float[np.ndarray, 'M 3'], Float[np.ndarray, '3 3']
]:
  """The primitive cell within `SYMPREC`; a primitive cell is unchanged.

  Args:
    numbers: Atomic numbers, no empty slots.
    fractional: Fractional coordinates.
    cell: Lattice vectors as rows, Å.
  """
  if len(numbers) > _MAX_SPGLIB_ATOMS:
    numbers, fractional, cell = supercell.divide(
      numbers, fractional, cell, tolerance=2 * SYMPREC
    )
    if len(numbers) > _MAX_SPGLIB_ATOMS:
      return numbers, fractional, cell
  if not _has_translation(numbers, fractional, cell):
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
  primitive, positions, species = found
  return np.asarray(species, np.int32), positions % 1.0, primitive


def rarest_atoms(numbers: Int[np.ndarray, 'N']) -> Int[np.ndarray, 'K']:
  """Indices of the atoms of the rarest species; of equals, the heaviest."""
  species, counts = np.unique(numbers, return_counts=True)
  rarest = species[counts == counts.min()].max()
  return np.flatnonzero(numbers == rarest)


def quietly(function: Callable, *args: Any, **options: Any) -> Any:
  """Calls a function of spglib without its messages on stderr.

  Its C code prints to stderr unless SPGLIB_WARNING is OFF. Python does not show
  deprecation warnings of libraries, so warning filters, which all threads
  share, are left alone.
  """
  os.environ.setdefault('SPGLIB_WARNING', 'OFF')
  return function(*args, **options)


def _has_translation(numbers, fractional, cell) -> bool:
  """Whether a fraction of a lattice vector may be a translation.

  A fast filter before spglib, which takes several milliseconds.
  """
  _, kinds, counts = np.unique(numbers, return_inverse=True, return_counts=True)
  if math.gcd(*counts.tolist()) == 1:
    return False
  rarest = np.flatnonzero(counts == counts.min())[-1]
  positions = fractional[np.flatnonzero(kinds == rarest)]
  for shift in positions[1:] - positions[0]:
    # The rarest species alone rules out most translations.
    if _coincide(positions, shift, cell).any(1).all():
      coincide = _coincide(fractional, shift, cell)
      coincide &= numbers[:, None] == numbers[None]
      if coincide.any(1).all():
        return True
  return False


def _coincide(fractional, shift, cell) -> np.ndarray:
  """Whether atom i, shifted, lies on atom j, [N, N]."""
  vectors = fractional[:, None] + shift - fractional[None]
  vectors -= np.rint(vectors)
  return np.linalg.norm(vectors @ cell, axis=-1) < 2 * SYMPREC
