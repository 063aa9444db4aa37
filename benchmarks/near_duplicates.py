"""Near-duplicates among crystals of one element, such as carbon.

Near-duplicates have the same number of atoms, and nearly the same volume and
energy.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

# Largest relative difference of the volumes.
_VOLUME_TOLERANCE = 2e-3
# Largest difference of the energies, eV/atom.
_ENERGY_TOLERANCE = 1e-3


def near_duplicates_of(
  index: int,
  counts: Int[np.ndarray, 'M'],
  volumes: Float[np.ndarray, 'M'],
  energies: Float[np.ndarray, 'M'],
) -> Bool[np.ndarray, 'M']:
  """Which crystals are near-duplicates of a crystal, that crystal included.

  Args:
    index: Index of the crystal.
    counts: Numbers of atoms.
    volumes: Volumes of the cells, Å³.
    energies: Energies, eV/atom.
  """
  ratios = volumes / volumes[index]
  return (
    (counts == counts[index])
    & (np.maximum(ratios, 1 / ratios) < 1 + _VOLUME_TOLERANCE)
    & (np.abs(energies - energies[index]) < _ENERGY_TOLERANCE)
  )


def has_near_duplicate(
  counts: Int[np.ndarray, 'M'],
  volumes: Float[np.ndarray, 'M'],
  energies: Float[np.ndarray, 'M'],
) -> Bool[np.ndarray, 'M']:
  """Whether each crystal has a near-duplicate; see `near_duplicates_of`."""
  return np.array(
    [
      near_duplicates_of(i, counts, volumes, energies).sum() > 1
      for i in range(len(counts))
    ],
    bool,
  )


def group_names(
  counts: Int[np.ndarray, 'M'],
  volumes: Float[np.ndarray, 'M'],
  energies: Float[np.ndarray, 'M'],
) -> list[str]:
  """Name of the group of each crystal: near-duplicates, merged transitively.

  Args:
    counts: Numbers of atoms.
    volumes: Volumes of the cells, Å³.
    energies: Energies, eV/atom.
  """
  names = [str(i) for i in range(len(counts))]
  for i in np.argsort(volumes):
    near = near_duplicates_of(i, counts, volumes, energies)
    merged = {names[j] for j in np.flatnonzero(near)}
    names = [names[i] if name in merged else name for name in names]
  return names
