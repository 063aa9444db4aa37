"""Primitive cells, found from pure translations. Host NumPy, float64."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import spglib
from jaxtyping import Float, Int

from crystal_jax.structure import supercell
from crystal_jax.structure.crystal import Crystal

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


def primitive_numbers(crystal: Crystal) -> Int[np.ndarray, 'M']:
  """Atomic numbers of the primitive cell of a crystal, without empty slots.

  Args:
    crystal: One crystal, in any cell.
  """
  numbers = np.asarray(crystal.numbers)
  filled = numbers > 0
  positions = np.asarray(crystal.positions, np.float64)[filled]
  cell = np.asarray(crystal.cell, np.float64)
  fractional = positions @ np.linalg.inv(cell) % 1.0
  found, _, _ = primitive_cell(numbers[filled], fractional, cell)
  return found


def rarest_atoms(numbers: Int[np.ndarray, 'N']) -> Int[np.ndarray, 'K']:
  """Indices of the atoms of the rarest species; of equals, the heaviest."""
  counts = np.bincount(numbers)[::-1]  # The heaviest first.
  counts[counts == 0] = len(numbers) + 1
  rarest = len(counts) - 1 - counts.argmin()
  return (numbers == rarest).nonzero()[0]


def quietly(function: Callable, *args: Any, **options: Any) -> Any:
  """Calls a function of spglib without its messages on stderr.

  Its C code prints to stderr unless SPGLIB_WARNING is OFF. Python does not show
  deprecation warnings of libraries, so warning filters, which all threads
  share, are left alone.
  """
  _silence()
  return function(*args, **options)


@functools.cache  # The environment is slow: two microseconds a call.
def _silence() -> None:
  os.environ.setdefault('SPGLIB_WARNING', 'OFF')


def _has_translation(numbers, fractional, cell) -> bool:
  """Whether a fraction of a lattice vector may be a translation.

  A fast filter before spglib, which takes several milliseconds.
  """
  if math.gcd(*np.bincount(numbers).tolist()) == 1:
    return False
  positions = fractional[rarest_atoms(numbers)]
  shifts = positions[1:] - positions[0]
  # Two atoms of the rarest species rule out most translations.
  images = positions[-2:] + shifts[:, None]
  coincide = _coincide(images, positions, cell)
  shifts = shifts[np.all(np.any(coincide, axis=2), axis=1)]
  is_same = numbers[:, None] == numbers
  for shift in shifts:
    coincide = _coincide(fractional + shift, fractional, cell) & is_same
    if coincide.any(1).all():
      return True
  return False


def _coincide(images, fractional, cell) -> np.ndarray:
  """Whether images [.., M, 3] lie on atoms [N, 3]: [.., M, N]."""
  vectors = images[..., None, :] - fractional
  vectors -= np.rint(vectors)
  vectors = vectors @ cell
  return (vectors * vectors).sum(-1) < (2 * SYMPREC) ** 2
