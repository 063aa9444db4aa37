"""Symmetry operations: parsing, checks of the group, and expansion of sites.

An operation maps fractional coordinates: x -> rotation @ x + translation. A
wrong operation would give wrong atoms, so anything unclear is refused.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import ase
import numpy as np
from jaxtyping import Float, Int

from crystal_jax.io.operation_text import format_operation, parse_operation

# Å; images of one site that are closer than this are one atom on a special
# position whose coordinates were rounded.
_SAME_SITE = 0.1

# Largest change of a metric tensor by a symmetry operation, relative to the
# lengths. Files round lengths to 1e-3 and angles to 0.1 degrees.
MAX_DISTORTION = 0.02

# Largest difference of two equal translations, fractional.
_SAME_TRANSLATION = 2e-3

# Maximum number of operations: F m -3 m in a cell that is doubled along each
# axis.
_MAX_OPERATIONS = 192 * 8


class Operations(NamedTuple):
  """Symmetry operations of a cell, centring translations included."""

  rotations: Float[np.ndarray, 'S 3 3']
  translations: Float[np.ndarray, 'S 3']


IDENTITY = Operations(np.eye(3)[None], np.zeros((1, 3)))


@functools.lru_cache(maxsize=256)
def parse_group(
  listed: tuple[str, ...],
  centrings: tuple[str, ...] = (),
  has_inversion: bool = False,
) -> Operations:
  """The group of operations such as '-y+1/2, x, z'.

  Args:
    listed: The operations as text.
    centrings: Centring translations to combine them with, in the same notation.
    has_inversion: Whether to combine them with the inversion at the origin.

  Raises:
    ValueError: If one cannot be parsed, the identity is missing, or a product
      of two is not listed.
  """
  count = len(listed) * max(1, len(centrings)) * (1 + has_inversion)
  if count > _MAX_OPERATIONS:
    raise ValueError(
      f'{count} symmetry operations, more than {_MAX_OPERATIONS}'
    )
  operations = _parse(listed)
  if has_inversion:
    operations = Operations(
      *(np.concatenate([array, -array]) for array in operations)
    )
  if centrings:
    shifts = _parse(centrings).translations
    rotations = np.tile(operations.rotations, (len(shifts), 1, 1))
    sums = shifts[:, None] + operations.translations[None]
    operations = Operations(rotations, sums.reshape(-1, 3))
  return check_group(operations)


def check_group(operations: Operations) -> Operations:
  """The distinct operations, if they are a group modulo the lattice.

  Raises:
    ValueError: If the identity or a product of two operations is missing.
  """
  keys = _keys(operations)
  _, first = np.unique(keys, return_index=True)
  first.sort()
  operations = Operations(*(array[first] for array in operations))
  rotations, translations = operations
  keys = keys[first]
  if not np.isin(_keys(IDENTITY), keys).all():
    raise ValueError(
      'the symmetry operations lack the identity x,y,z; list all of them'
    )
  for rotation, translation in zip(rotations, translations, strict=True):
    products = Operations(
      rotation @ rotations, translations @ rotation.T + translation
    )
    missing = ~np.isin(_keys(products), keys)
    if missing.any() and not _are_listed(products, missing, operations):
      raise ValueError(
        'the symmetry operations are no group: a product of two is not among '
        'them; list all of them, each once'
      )
  return operations


def are_equal(first: Operations, second: Operations) -> bool:
  """Whether two groups hold the same operations, modulo the lattice."""
  return len(first.rotations) == len(second.rotations) and _are_listed(
    second, np.ones(len(second.rotations), bool), first
  )


def distortion(operations: Operations, cell: Float[np.ndarray, '3 3']) -> float:
  """Largest change of the metric by an operation, relative to the lengths."""
  return float(_changes(operations, cell).max())


def check_lattice(
  operations: Operations, cell: Float[np.ndarray, '3 3']
) -> None:
  """Refuses operations that do not map the lattice onto itself.

  Raises:
    ValueError: If an operation changes the metric of the cell.
  """
  changes = _changes(operations, cell)
  if changes.max() > MAX_DISTORTION:
    worst = int(changes.argmax())
    operation = format_operation(*(array[worst] for array in operations))
    raise ValueError(
      f'symmetry operation {operation!r} does not map the lattice onto itself; '
      'correct the operations or the cell'
    )


def expand(
  numbers: Int[np.ndarray, 'S'],
  sites: Float[np.ndarray, 'S 3'],
  operations: Operations,
  cell: Float[np.ndarray, '3 3'],
) -> tuple[ase.Atoms, list[int]]:
  """All atoms of the cell, and the number of images of each site."""
  if len(operations.rotations) == 1:
    orbits = list(sites[:, None] % 1.0)
  else:
    orbits = [orbit(site, operations, cell) for site in sites]
  counts = [len(images) for images in orbits]
  positions = np.concatenate(orbits) @ cell
  atoms = ase.Atoms(np.repeat(numbers, counts), positions, cell=cell, pbc=True)
  return atoms, counts


def orbit(
  site: Float[np.ndarray, '3'],
  operations: Operations,
  cell: Float[np.ndarray, '3 3'],
) -> Float[np.ndarray, 'M 3']:
  """The distinct images of one site in the cell, fractional."""
  images = (operations.rotations @ site + operations.translations) % 1.0
  kept = []
  while len(images):
    kept.append(images[0])
    vectors = images - images[0]
    vectors = (vectors - np.round(vectors)) @ cell
    images = images[np.linalg.norm(vectors, axis=-1) > _SAME_SITE]
  return np.stack(kept)


def _parse(listed: tuple[str, ...]) -> Operations:
  parsed = [parse_operation(text) for text in dict.fromkeys(listed)]
  return Operations(*map(np.stack, zip(*parsed, strict=True)))


def _changes(operations: Operations, cell) -> np.ndarray:
  """Change of the metric by each operation, relative to the lengths, [S]."""
  metric = cell @ cell.T
  lengths = np.sqrt(np.diag(metric))
  rotations = operations.rotations
  rotated = rotations.transpose(0, 2, 1) @ metric @ rotations
  changes = np.abs(rotated - metric) / np.outer(lengths, lengths)
  return changes.max(axis=(1, 2))


def _keys(operations: Operations) -> np.ndarray:
  """One integer per operation; equal for operations equal modulo the lattice.

  Exact for translations by multiples of 1/240, as all settings of the
  International Tables have.
  """
  rotations = np.rint(operations.rotations).astype(np.int64).reshape(-1, 9)
  translations = np.rint(operations.translations * 240).astype(np.int64) % 240
  digits = np.concatenate([(rotations + 3) % 7, translations], axis=1)
  bases = np.array([7] * 9 + [240] * 3, np.int64)
  weights = np.concatenate([[1], np.cumprod(bases[:-1])])
  return digits @ weights


def _are_listed(products, indices, operations) -> bool:
  """Whether products are operations, with tolerance; for other fractions."""
  for rotation, translation in zip(
    *(a[indices] for a in products), strict=True
  ):
    same = (np.abs(operations.rotations - rotation) < 1e-6).all(axis=(1, 2))
    vectors = operations.translations[same] - translation
    vectors -= np.rint(vectors)
    if not (np.abs(vectors) < _SAME_TRANSLATION).all(axis=1).any():
      return False
  return True
