"""Wyckoff positions: points of the same site-symmetry group up to conjugation.

A random search finds them: it intersects the sets of points that random
operations of a space group keep in place. With the constants below, the search
finds all 1,731 positions of the International Tables.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure.crystal_systems import NUM_SPACE_GROUPS

# Number of random subsets of the operations, and operations in each.
_NUM_SUBSETS, _SUBSET_SIZE = 300, 3
# Fractional distance below which two points are equal.
_TOLERANCE = 1e-4
# Lattice vectors that may bring a point of the primitive cell onto a position.
_LATTICE_VECTORS = np.array(list(itertools.product(range(-2, 3), repeat=3)))


class PrimitiveOperations(NamedTuple):
  """Operations of a space group, modulo vectors of its primitive lattice.

  Attributes:
    rotations: Rotations of fractional coordinates of the primitive cell.
    translations: Translations, fractional.
    to_primitive: Primitive lattice = to_primitive @ conventional lattice.
  """

  rotations: Float[np.ndarray, 'M 3 3']
  translations: Float[np.ndarray, 'M 3']
  to_primitive: Float[np.ndarray, '3 3']


@dataclasses.dataclass(frozen=True)
class WyckoffPosition:
  """Points u @ projection + offset of the primitive cell, for any u.

  Attributes:
    multiplicity: Number of images in the primitive cell.
    degrees_of_freedom: 0 for a point, 1 for a line, 2 for a plane, 3 for the
      general position.
    projection: Projection onto the point, line or plane.
    offset: One point of the position, fractional.
  """

  multiplicity: int
  degrees_of_freedom: int
  projection: Float[np.ndarray, '3 3']
  offset: Float[np.ndarray, '3']

  def point(self, generator: np.random.Generator) -> Float[np.ndarray, '3']:
    """A random point, in fractional coordinates of the primitive cell."""
    return generator.random(3) @ self.projection + self.offset


@functools.lru_cache(maxsize=NUM_SPACE_GROUPS)
def operations(space_group: int) -> PrimitiveOperations:
  """Operations in the primitive cell of gemmi's reference setting."""
  import gemmi

  group = gemmi.find_spacegroup_by_number(space_group)
  change = np.array(group.centred_to_primitive().rot, float)
  basis = change / gemmi.Op.DEN  # Columns: primitive vectors.
  inverse = np.linalg.inv(basis)
  listed = group.operations().sym_ops
  rotations = np.array([op.rot for op in listed]) / gemmi.Op.DEN
  translations = np.array([op.tran for op in listed]) / gemmi.Op.DEN
  return PrimitiveOperations(
    np.rint(inverse @ rotations @ basis), translations @ inverse.T, basis.T
  )


def orbit(
  point: Float[np.ndarray, '3'], group: PrimitiveOperations
) -> Float[np.ndarray, 'M 3']:
  """All images of a point in the primitive cell, fractional, each once."""
  images = (group.rotations @ point + group.translations) % 1.0
  steps = images[:, None] - images[None]
  is_same = (np.abs(steps - np.rint(steps)) < _TOLERANCE).all(axis=-1)
  return images[np.argmax(is_same, axis=1) == np.arange(len(images))]


@functools.lru_cache(maxsize=NUM_SPACE_GROUPS)
def wyckoff_positions(
  space_group: int,
) -> dict[int, tuple[WyckoffPosition, ...]]:
  """Wyckoff positions of a space group by multiplicity, each once."""
  group = operations(space_group)
  size = len(group.rotations)
  general = WyckoffPosition(size, 3, np.eye(3), np.zeros(3))
  positions: dict[int, list[WyckoffPosition]] = {size: [general]}
  generator = np.random.default_rng(space_group)
  candidates = {
    _rounded(position): position
    for position in _intersections(group, generator)
  }
  for position in candidates.values():
    known = positions.setdefault(position.multiplicity, [])
    images = orbit(position.point(generator), group)
    if not any(
      position.degrees_of_freedom == each.degrees_of_freedom
      and _contains_any(each, images)
      for each in known
    ):
      known.append(position)
  return {m: tuple(positions[m]) for m in sorted(positions)}


def _intersections(
  group: PrimitiveOperations, generator: np.random.Generator
) -> Iterator[WyckoffPosition]:
  """Positions that one, two or three random operations keep in place.

  All subsets of operations are treated together, one operation at a time. An
  operation that shares no fixed point with those before is skipped.
  """
  size = len(group.rotations)
  x = generator.random((_NUM_SUBSETS, 3))
  # The fixed points of the operations so far solve constraints @ x = rhs.
  constraints = np.zeros((_NUM_SUBSETS, 0, 3))
  rhs = np.zeros((_NUM_SUBSETS, 0))
  for _ in range(_SUBSET_SIZE):
    index = generator.integers(size, size=_NUM_SUBSETS)
    rotations, shifts = group.rotations[index], group.translations[index]
    rotation_minus_identity = rotations - np.eye(3)[None]
    # The lattice vector that brings the image next to the point.
    step = np.rint(x - _apply(rotations, x) - shifts)
    more_constraints = np.concatenate(
      [constraints, rotation_minus_identity], axis=1
    )
    more_rhs = np.concatenate([rhs, -shifts - step], axis=1)
    inverse = np.linalg.pinv(more_constraints, rcond=1e-6)
    moved = x + _apply(inverse, more_rhs - _apply(more_constraints, x))
    residuals = np.abs(_apply(more_constraints, moved) - more_rhs).max(axis=1)
    # A screw axis or a glide plane has no fixed point.
    is_fixed = residuals < _TOLERANCE
    x = np.where(is_fixed[:, None], moved, x)
    constraints = np.where(
      is_fixed[:, None, None], more_constraints, _padded(constraints)
    )
    rhs = np.where(is_fixed[:, None], more_rhs, _padded(rhs))
    inverse = np.linalg.pinv(constraints, rcond=1e-6)
    projections = np.eye(3)[None] - (inverse @ constraints).swapaxes(1, 2)
    offsets = _apply(inverse, rhs)
    freedom = np.rint(np.trace(projections, axis1=1, axis2=2)).astype(int)
    # A random point of a position may have a higher symmetry by chance; of two
    # points, the one of lower symmetry counts.
    samples = generator.random((2, _NUM_SUBSETS, 3))
    samples = np.einsum('scx,cxy->scy', samples, projections) + offsets[None]
    orders = np.min(
      [_site_symmetry_order(points, group) for points in samples], axis=0
    )
    for i in np.flatnonzero(
      is_fixed & rotation_minus_identity.any(axis=(1, 2))
    ):
      yield WyckoffPosition(
        size // int(orders[i]), int(freedom[i]), projections[i], offsets[i]
      )


def _apply(matrices, vectors):
  """Products of matrices [C, I, J] and vectors [C, J]: [C, I]."""
  return np.einsum('cij,cj->ci', matrices, vectors)


def _padded(rows):
  """Rows of constraints or right-hand sides, and three of zeros: 0 @ x = 0."""
  shape = (rows.shape[0], 3, *rows.shape[2:])
  return np.concatenate([rows, np.zeros(shape)], axis=1)


def _site_symmetry_order(
  points, group: PrimitiveOperations
) -> Int[np.ndarray, 'C']:
  """Number of operations that keep each point in place, modulo the lattice."""
  images = np.einsum('mij,cj->cmi', group.rotations, points)
  steps = images + group.translations[None] - points[:, None]
  return (np.abs(steps - np.rint(steps)) < _TOLERANCE).all(axis=-1).sum(axis=1)


def _rounded(position: WyckoffPosition) -> bytes:
  """A dictionary key that is equal for positions equal up to rounding."""
  offset = (position.offset + _TOLERANCE) % 1.0 - _TOLERANCE
  return (np.round([*position.projection, offset], 3) + 0.0).tobytes()


def _contains_any(position: WyckoffPosition, images) -> bool:
  """Whether one of the images is a point of the position, up to the lattice."""
  steps = images - position.offset
  steps = (steps - np.rint(steps))[:, None] + _LATTICE_VECTORS[None]
  distances = np.abs(steps - steps @ position.projection).max(axis=-1)
  return bool((distances < _TOLERANCE).any())
