"""Symmetry operations of a primitive cell within a tolerance.

A rotation maps the lattice onto itself within the tolerance. With a translation
it is a symmetry of the crystal if it carries every atom to within the tolerance
of one of its species, no two to the same. spglib finds the same operations, and
also the space group's number and setting, which take ten times as long and are
not needed to average over images. Host NumPy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure import primitive
from crystal_jax.structure.unimodular import (
  FIRST,
  SECOND,
  unimodular,
  with_pairs,
)


class Operations(NamedTuple):
  """R operations: atom i at f goes to f @ rotation + translation.

  Attributes:
    rotations: Integer matrices of fractional coordinates.
    translations: Fractional translations.
    permutations: Index of the atom next to the image of each atom.
  """

  rotations: Float[np.ndarray, 'R 3 3']
  translations: Float[np.ndarray, 'R 3']
  permutations: Int[np.ndarray, 'R N']


def symmetry_operations(
  numbers: Int[np.ndarray, 'N'],
  fractional: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
  tolerance: float,
) -> Operations | None:
  """The operations, or None if they are no group without pure translations.

  A primitive cell has no pure translation, so then the tolerance is too wide.

  Args:
    numbers: Atomic numbers, no empty slots.
    fractional: Fractional coordinates.
    cell: Lattice vectors of a reduced basis as rows, Å.
    tolerance: Largest distance of an image from an atom, Å.
  """
  rotations = lattice_rotations(cell, tolerance)
  rarest = primitive.rarest_atoms(numbers)
  images = fractional @ rotations  # [R, N, 3]
  # Each takes the first atom of the rarest species to another one.
  shifts = fractional[rarest] - images[:, rarest[:1]]  # [R, O, 3]
  is_other = numbers[:, None] != numbers
  probes = np.array([rarest[-1], np.argmax(is_other.sum(1))])
  # A translation from one atom to another has the errors of both.
  vectors, _ = _nearest(
    images[:, None, probes] + shifts[:, :, None],
    fractional,
    cell,
    is_other[probes],
  )
  is_near = _lengths(vectors, cell) < 2 * tolerance
  rotation, shift = is_near.all(2).nonzero()
  images, shifts = images[rotation], shifts[rotation, shift]
  vectors, nearest = _nearest(
    images + shifts[:, None], fractional, cell, is_other
  )
  mean = vectors.mean(axis=1, keepdims=True)
  kept = (_lengths(vectors - mean, cell) < tolerance).all(1)
  kept &= (np.sort(nearest, axis=1) == np.arange(len(numbers))).all(1)
  shifts = shifts - mean[:, 0]
  operations = Operations(
    rotations[rotation[kept]], shifts[kept], nearest[kept]
  )
  return operations if _is_group(operations.rotations) else None


def lattice_rotations(
  cell: Float[np.ndarray, '3 3'], tolerance: float
) -> Float[np.ndarray, 'R 3 3']:
  """Matrices that map a lattice onto itself within a tolerance, Å.

  Lengths of the vectors change by less than the tolerance, and so do the ends
  of vectors by a change of angle.
  """
  table = unimodular()
  products = table.rows @ (cell @ cell.T) @ table.rows.T
  lengths = np.sqrt(np.maximum(products.diagonal(), 1e-12))
  cosines = np.clip(products / (lengths[:, None] * lengths), -1, 1)
  own = np.linalg.norm(cell, axis=1)
  same_length = np.abs(lengths - own[:, None]) < tolerance
  unit = cell / own[:, None]
  own_cosines = np.clip((unit @ unit.T)[FIRST, SECOND, None, None], -1, 1)
  cosine = cosines * own_cosines + np.sqrt(
    (1 - cosines**2) * (1 - own_cosines**2)
  )
  sine = np.sqrt(np.maximum(1 - cosine**2, 0))
  mean_length = (
    own[FIRST, None, None]
    + own[SECOND, None, None]
    + lengths[:, None]
    + lengths
  ) / 4
  allowed = mean_length * sine < tolerance
  allowed &= same_length[FIRST, :, None] & same_length[SECOND, None]
  proper = table.matrices[with_pairs(allowed)]
  return np.concatenate([proper, -proper])


def _nearest(images, fractional, cell, is_other):
  """Vectors [.., M, 3] from the nearest atoms of their species, and these."""
  vectors = images[..., None, :] - fractional
  vectors -= np.rint(vectors)
  squares = np.square(vectors @ cell).sum(-1)
  squares = np.where(is_other, np.inf, squares)
  nearest = squares.argmin(-1)
  vectors = np.take_along_axis(vectors, nearest[..., None, None], axis=-2)
  return vectors[..., 0, :], nearest


def _lengths(vectors, cell):
  return np.sqrt(np.square(vectors @ cell).sum(-1))


def _is_group(rotations) -> bool:
  """Whether rotations are distinct and their products among them."""
  weights = 5 ** np.arange(9)
  codes = np.rint(rotations).reshape(-1, 9) @ weights
  products = rotations[:, None] @ rotations
  members = set(codes.tolist())
  if len(members) < len(codes):
    return False
  return members.issuperset((products.reshape(-1, 9) @ weights).tolist())
