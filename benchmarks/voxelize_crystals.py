"""Random and real crystals of `benchmarks.voxelize`.

A crystal is positions [N, 3], Å, atomic numbers [N] and the cell [3, 3].
"""

import numpy as np

from crystal_jax.structure import lattice


def random_crystals(count):
  """Random triclinic cells of 15 Å³ an atom and up to 20 atoms."""
  rng, crystals = np.random.default_rng(0), []
  while len(crystals) < count:
    lengths, angles = rng.uniform(2.5, 9, 3), rng.uniform(50, 130, 3)
    cell = lattice.from_lengths_and_angles(lengths, angles)
    cell = np.asarray(cell, np.float64)  # NaN if no cell has these angles.
    volume = np.nan_to_num(np.abs(np.linalg.det(cell)))
    num_atoms = (volume / 15).round().astype(int)
    if 1 <= num_atoms <= 20:
      positions = rng.random((num_atoms, 3)) @ cell
      crystals.append((positions, rng.integers(1, 90, num_atoms), cell))
  return crystals


def real_crystals(count):
  """Random crystals of the data set that comes with the repository."""
  from crystal_jax.data import sources

  split = sources.load_split('datasets/oqmd_icsd20', 'train')
  indices = np.random.default_rng(0).choice(len(split), count, replace=False)
  crystals = []
  for i in indices:
    record = split[int(i)]
    filled = np.asarray(record['numbers']) > 0
    crystals.append(
      (
        np.asarray(record['positions'], np.float64)[filled],
        np.asarray(record['numbers'])[filled],
        np.asarray(record['cell'], np.float64),
      )
    )
  return crystals
