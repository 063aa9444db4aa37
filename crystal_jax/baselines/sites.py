"""Sites of a space group: sets of points that its operations keep in place.

A site of multiplicity m is a point, line, plane or the whole cell whose points
have m images in the primitive cell, as a Wyckoff position has. Sites are found
by intersecting the fixed points of operations.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Chains of operations that are tried for each group, and operations in one.
_CHAINS, _LENGTH = 80, 3
# Fractional distance below which two images are one point.
_SAME = 1e-4


class Operations(NamedTuple):
  """Operations of a space group, modulo vectors of its primitive lattice.

  Attributes:
    rotations: Rotations of fractional coordinates.
    translations: Translations, fractional.
    to_primitive: Primitive lattice = to_primitive @ conventional lattice.
  """

  rotations: Float[np.ndarray, 'M 3 3']
  translations: Float[np.ndarray, 'M 3']
  to_primitive: Float[np.ndarray, '3 3']


@dataclasses.dataclass(frozen=True)
class Site:
  """Points x = point @ projection + offset, of any point.

  Attributes:
    multiplicity: Number of images in the primitive cell.
    dimensions: 0 for a point, 3 for the whole cell.
    projection: Projection onto the site.
    offset: A point of the site, fractional.
  """

  multiplicity: int
  dimensions: int
  projection: Float[np.ndarray, '3 3']
  offset: Float[np.ndarray, '3']

  def point(self, generator: np.random.Generator) -> Float[np.ndarray, '3']:
    """A random point, fractional coordinates of the primitive cell."""
    return generator.random(3) @ self.projection + self.offset


@functools.lru_cache(maxsize=230)
def operations(space_group: int) -> Operations:
  """Operations in the primitive cell of gemmi's reference setting."""
  import gemmi

  group = gemmi.find_spacegroup_by_number(space_group)
  change = np.array(group.centred_to_primitive().rot, float)
  basis = change / gemmi.Op.DEN  # Columns: primitive vectors.
  inverse = np.linalg.inv(basis)
  found = [
    (np.array(op.rot, float), np.array(op.tran, float))
    for op in group.operations().sym_ops
  ]
  rotations = np.array([rot for rot, _ in found]) / gemmi.Op.DEN
  translations = np.array([tran for _, tran in found]) / gemmi.Op.DEN
  return Operations(
    np.rint(inverse @ rotations @ basis), translations @ inverse.T, basis.T
  )


def orbit(
  point: Float[np.ndarray, '3'], group: Operations
) -> Float[np.ndarray, 'M 3']:
  """All images of a point in the primitive cell, fractional, each once."""
  images = (group.rotations @ point + group.translations) % 1.0
  steps = images[:, None] - images[None]
  same = (np.abs(steps - np.rint(steps)) < _SAME).all(axis=-1)
  return images[np.argmax(same, axis=1) == np.arange(len(images))]


@functools.lru_cache(maxsize=230)
def sites(space_group: int) -> dict[int, tuple[Site, ...]]:
  """Sites of a space group by multiplicity.

  Points are listed once; lines and planes may come more than once.
  """
  group = operations(space_group)
  size = len(group.rotations)
  found: dict[int, list[Site]] = {size: [Site(size, 3, np.eye(3), np.zeros(3))]}
  points: list[np.ndarray] = []
  for site in _intersections(group, np.random.default_rng(space_group)):
    if site.dimensions == 0:
      if any(_is_among(site.offset, known) for known in points):
        continue
      points.append(orbit(site.offset, group))
    found.setdefault(site.multiplicity, []).append(site)
  return {m: tuple(found[m]) for m in sorted(found)}


def _intersections(group: Operations, generator: np.random.Generator):
  """Sites that one, two and three random operations keep in place.

  Chains of operations go through all steps together; a chain skips operations
  without a fixed point in common with those before.
  """
  size = len(group.rotations)
  x = generator.random((_CHAINS, 3))
  rows, values = np.zeros((_CHAINS, 0, 3)), np.zeros((_CHAINS, 0))
  for _ in range(_LENGTH):
    index = generator.integers(size, size=_CHAINS)
    rotations, shifts = group.rotations[index], group.translations[index]
    changes = rotations - np.eye(3)[None]
    # The lattice vector that brings the image next to the point.
    images = _apply(rotations, x) + shifts
    step = np.rint(x - images)
    more_rows = np.concatenate([rows, changes], axis=1)
    more_values = np.concatenate([values, -shifts - step], axis=1)
    inverse = np.linalg.pinv(more_rows, rcond=1e-6)
    moved = x + _apply(inverse, more_values - _apply(more_rows, x))
    residuals = np.abs(_apply(more_rows, moved) - more_values).max(axis=1)
    # Not so for a screw axis, a glide plane, or if no point is common.
    fixed = residuals < _SAME
    x = np.where(fixed[:, None], moved, x)
    rows = np.where(fixed[:, None, None], more_rows, _padded(rows))
    values = np.where(fixed[:, None], more_values, _padded(values))
    inverse = np.linalg.pinv(rows, rcond=1e-6)
    projections = np.eye(3)[None] - (inverse @ rows).swapaxes(1, 2)
    offsets = _apply(inverse, values)
    dimensions = np.rint(np.trace(projections, axis1=1, axis2=2)).astype(int)
    # One of two random points is in general position on its site.
    samples = generator.random((2, _CHAINS, 3))
    samples = np.einsum('scx,cxy->scy', samples, projections) + offsets[None]
    orders = np.min([_stabilizers(each, group) for each in samples], axis=0)
    for i in np.flatnonzero(fixed & changes.any(axis=(1, 2))):
      yield Site(
        size // int(orders[i]), int(dimensions[i]), projections[i], offsets[i]
      )


def _apply(matrices, vectors):
  """Each matrix by its vector."""
  return np.einsum('cij,cj->ci', matrices, vectors)


def _padded(rows):
  """Three more constraints that hold everywhere."""
  shape = (rows.shape[0], 3, *rows.shape[2:])
  return np.concatenate([rows, np.zeros(shape)], axis=1)


def _stabilizers(points, group: Operations):
  """How many operations keep each point in place, lattice vectors aside."""
  images = np.einsum('mij,cj->cmi', group.rotations, points)
  steps = images + group.translations[None] - points[:, None]
  return (np.abs(steps - np.rint(steps)) < _SAME).all(axis=-1).sum(axis=1)


def _is_among(point, images) -> bool:
  steps = images - point[None]
  return bool((np.abs(steps - np.rint(steps)) < _SAME).all(axis=-1).any())
