"""Symmetry operations of a primitive cell within a tolerance.

A rotation maps the lattice onto itself within the tolerance. Together with a
translation it is a symmetry operation of the crystal if the image of every atom
is within the tolerance of an atom of its species, and these atoms are distinct.
spglib finds the same operations, and also the number and setting of the space
group, which take ten times as long and are not needed to average over images.
Host NumPy.
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
  """R operations: the image of f is f @ rotation + translation.

  Attributes:
    rotations: Integer matrices, for fractional coordinates as rows.
    translations: Fractional translations.
    permutations: Index of the atom nearest to the image of each atom.
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
  """The symmetry operations of a crystal in a primitive cell.

  Args:
    numbers: Atomic numbers, no empty slots.
    fractional: Fractional coordinates.
    cell: Lattice vectors of a reduced basis as rows, Å.
    tolerance: Largest distance of an image from an atom, Å.

  Returns:
    The operations; None if the tolerance is too wide: the operations are no
    group, or contain a pure translation, which a primitive cell cannot have.
  """
  rotations = lattice_rotations(cell, tolerance)
  rarest = primitive.rarest_atoms(numbers)
  images = fractional @ rotations  # [R, N, 3]
  # Candidates: the image of the first of the T rarest atoms is one of the T.
  translations = fractional[rarest] - images[:, rarest[:1]]  # [R, T, 3]
  differs = numbers[:, None] != numbers  # by species, [N, N]
  # Two atoms of the rarest species are checked before all atoms.
  probes = np.array([rarest[-1], np.argmax(differs.sum(1))])
  vectors, _ = _nearest(
    images[:, None, probes] + translations[:, :, None],
    fractional,
    cell,
    differs[probes],
  )
  # The translation has the error of the atom that it was computed from, so the
  # error of another atom can be twice the tolerance.
  is_near = _lengths(vectors, cell) < 2 * tolerance
  rotation, translation = is_near.all(2).nonzero()
  images, translations = images[rotation], translations[rotation, translation]
  vectors, nearest = _nearest(
    images + translations[:, None], fractional, cell, differs
  )
  mean = vectors.mean(axis=1, keepdims=True)
  kept = (_lengths(vectors - mean, cell) < tolerance).all(1)
  kept &= (np.sort(nearest, axis=1) == np.arange(len(numbers))).all(1)
  translations = translations - mean[:, 0]
  operations = Operations(
    rotations[rotation[kept]], translations[kept], nearest[kept]
  )
  return operations if _is_group(operations.rotations) else None


def lattice_rotations(
  cell: Float[np.ndarray, '3 3'], tolerance: float
) -> Float[np.ndarray, 'R 3 3']:
  """Integer-valued matrices that map a lattice onto itself within a tolerance.

  A lattice vector and its image differ in length by less than the tolerance.
  For two lattice vectors, sin δ times the mean length is less than the
  tolerance, where δ is the change of the angle between them.

  Args:
    cell: Lattice vectors of a reduced basis as rows, Å.
    tolerance: The tolerance, Å.
  """
  table = unimodular()
  products = table.rows @ (cell @ cell.T) @ table.rows.T
  lengths = np.sqrt(np.maximum(products.diagonal(), 1e-12))
  cosines = np.clip(products / (lengths[:, None] * lengths), -1, 1)
  cell_lengths = np.linalg.norm(cell, axis=1)
  same_length = np.abs(lengths - cell_lengths[:, None]) < tolerance
  unit = cell / cell_lengths[:, None]
  cell_cosines = np.clip((unit @ unit.T)[FIRST, SECOND, None, None], -1, 1)
  # Cosine and sine of the difference of two angles.
  cosine = cosines * cell_cosines + np.sqrt(
    (1 - cosines**2) * (1 - cell_cosines**2)
  )
  sine = np.sqrt(np.maximum(1 - cosine**2, 0))
  mean_length = (
    cell_lengths[FIRST, None, None]
    + cell_lengths[SECOND, None, None]
    + lengths[:, None]
    + lengths
  ) / 4
  allowed = mean_length * sine < tolerance
  allowed &= same_length[FIRST, :, None] & same_length[SECOND, None]
  proper = table.matrices[with_pairs(allowed)]
  return np.concatenate([proper, -proper])


def _nearest(images, fractional, cell, differs):
  """The nearest atom of the same species to each image.

  Args:
    images: Fractional coordinates of images of M atoms, [.., M, 3].
    fractional: Fractional coordinates of the N atoms.
    cell: Lattice vectors as rows, Å.
    differs: Whether an image and an atom are of different species, [M, N].

  Returns:
    Fractional vectors from the nearest atoms to the images, [.., M, 3], and the
    indices of these atoms, [.., M].
  """
  vectors = images[..., None, :] - fractional
  vectors -= np.rint(vectors)
  squares = np.square(vectors @ cell).sum(-1)
  squares = np.where(differs, np.inf, squares)
  nearest = squares.argmin(-1)
  vectors = np.take_along_axis(vectors, nearest[..., None, None], axis=-2)
  return vectors[..., 0, :], nearest


def _lengths(vectors, cell):
  """Lengths of fractional vectors, Å."""
  return np.sqrt(np.square(vectors @ cell).sum(-1))


def _is_group(rotations) -> bool:
  """Whether rotations are distinct and contain all their products."""
  # A matrix as one number, its entries as digits.
  weights = 5 ** np.arange(9)
  codes = np.rint(rotations).reshape(-1, 9) @ weights
  products = rotations[:, None] @ rotations
  members = set(codes.tolist())
  if len(members) < len(codes):
    return False
  return members.issuperset((products.reshape(-1, 9) @ weights).tolist())
