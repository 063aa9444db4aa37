"""Test of a lattice on the density: its vectors map it onto itself."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from jaxtyping import Float

from crystal_jax.lattice_search import box_atoms
from crystal_jax.lattice_search.config import SEARCH


def maps_density(
  density: Float[np.ndarray, 'G G G'],
  points: box_atoms.Points,
  cell: Float[np.ndarray, '3 3'],
) -> bool:
  """Whether each lattice vector maps the density onto itself.

  Args:
    density: The density that the atoms were found in.
    points: The atoms of the box.
    cell: Lattice vectors as rows, Å.
  """
  size = len(density)
  spacing = _spacing(density, points)
  for vector in cell:
    shift = np.rint(vector / spacing).astype(int)
    if np.abs(shift).max() > size - 4:
      continue
    here = tuple(slice(max(0, -s), size - max(0, s)) for s in shift)
    there = tuple(slice(max(0, s), size - max(0, -s)) for s in shift)
    a, b = density[here], density[there]
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    if norm > 0 and (a * b).sum() < SEARCH.min_correlation * norm:
      return False
  return True


def _spacing(density, points) -> float:
  """Distance between voxels at which the atoms lie on the density's peaks, Å.

  The walls lie beyond the outermost atom; where atoms form planes, up to twice
  as far.
  """
  size = len(density)
  atoms = points.positions[: points.inner]
  tried = points.half * np.linspace(1.0, 2.2, 8 * size) / (0.5 * size)
  index = atoms.T[:, None] / tried[:, None] + 0.5 * (size - 1)  # [3, T, N]
  at_atoms = scipy.ndimage.map_coordinates(density, index, order=1)
  return float(tried[at_atoms.mean(axis=1).argmax()])
