"""Near-duplicates of crystals of one element, such as carbon."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

# Near-duplicates have the same number of atoms, a ratio of volumes within this
# of 1, and energies that differ by less than this, eV/atom.
_VOLUME = 2e-3
_ENERGY = 1e-3


def near_duplicates_of(
  index: int,
  counts: Int[np.ndarray, 'M'],
  volumes: Float[np.ndarray, 'M'],
  energies: Float[np.ndarray, 'M'],
) -> Bool[np.ndarray, 'M']:
  """Which crystals are near-duplicates of one of them, itself included.

  Args:
    index: Index of the crystal.
    counts: Numbers of atoms.
    volumes: Volumes of the cells, Å³.
    energies: Energies, eV/atom.
  """
  ratios = volumes / volumes[index]
  return (
    (counts == counts[index])
    & (np.maximum(ratios, 1 / ratios) < 1 + _VOLUME)
    & (np.abs(energies - energies[index]) < _ENERGY)
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
