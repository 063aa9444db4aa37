"""Wasserstein distances between distributions of simple properties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crystal_jax.evaluation.matching import to_host
from crystal_jax.structure.composition import mass_density
from crystal_jax.structure.crystal import Crystal


def properties(crystal: Crystal) -> dict[str, float]:
  """Density (g/cm³), elements, atoms and volume per atom (Å³) of a crystal."""
  crystal = to_host(crystal)
  numbers = np.asarray(crystal.numbers)
  volume = abs(float(np.linalg.det(crystal.cell)))
  return {
    'density': mass_density(numbers, volume),
    'elements': float(len(np.unique(numbers))),
    'atoms': float(len(numbers)),
    'volume_per_atom': volume / len(numbers),
  }


def wasserstein(
  samples: Sequence[Crystal], reference: Sequence[Crystal]
) -> dict[str, float]:
  """Wasserstein distances, by property: `wasserstein_density` ..

  The units are those of `properties`. NaN without samples.
  """
  from scipy import stats

  first, second = ([properties(c) for c in group] for group in
                   (samples, reference))  # fmt: skip
  distances = {}
  for name in 'density', 'elements', 'atoms', 'volume_per_atom':
    distance = float('nan')
    if first and second:
      distance = float(
        stats.wasserstein_distance(
          [row[name] for row in first], [row[name] for row in second]
        )
      )
    distances[f'wasserstein_{name}'] = distance
  return distances
