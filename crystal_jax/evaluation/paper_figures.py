"""Figures of the paper: counts, species and distances of each crystal.

As in Hoffmann et al., arXiv:1909.00949.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crystal_jax import plots
from crystal_jax.evaluation.comparison import AtomComparison
from crystal_jax.evaluation.report import image


def sections(comparisons: Sequence[AtomComparison]) -> list[str]:
  """HTML of the figures.

  Args:
    comparisons: Decoded atoms against the true ones, one for each crystal.
  """
  counts = np.array([len(c.true_distances) for c in comparisons])
  decoded_counts = np.array([len(c.decoded_distances) for c in comparisons])
  distances = np.array([np.median(c.true_distances) for c in comparisons])
  numbers = np.concatenate([c.true_numbers for c in comparisons])
  nearest_numbers = np.concatenate([c.nearest_numbers for c in comparisons])
  panels = [
    plots.Panel('atoms', 'decoded atoms', counts, decoded_counts, True),
    plots.Panel(
      'atomic number',
      'of the nearest decoded atom',
      numbers,
      nearest_numbers,
      True,
    ),
    plots.Panel(
      'atoms', 'median distance to the nearest, Å', counts, distances, False
    ),
  ]
  return [
    '<h2>Counts, species and distances</h2>',
    image(plots.scatter(panels)),
    image(
      plots.nearest_atoms(
        np.concatenate([c.true_distances for c in comparisons]),
        np.concatenate([c.decoded_distances for c in comparisons]),
      )
    ),
    image(plots.species_confusion(numbers, nearest_numbers)),
  ]
