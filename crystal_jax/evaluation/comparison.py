"""Comparison of decoded atoms with the true atoms: distances and species.

`compare_atoms` compares the atoms of one crystal, `summarize_atoms` summarizes
many comparisons.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from crystal_jax.evaluation.atoms import Atoms

# Larger nearest distances count as this, Å.
MAX_DISTANCE = 5.0


@dataclasses.dataclass(frozen=True)
class AtomComparison:
  """Comparison of the decoded atoms of one box or cell with the true ones.

  Attributes:
    true_distances: Distance from each true atom to the nearest decoded one, Å.
    decoded_distances: Distance from each decoded atom to the nearest true one,
      Å.
    true_numbers: Atomic numbers of the true atoms.
    nearest_numbers: Atomic number of the decoded atom nearest to each true
      atom; 0 where nothing was decoded.
    count_exact: Whether the numbers of true and decoded atoms agree.
  """

  true_distances: Float[np.ndarray, 'N']
  decoded_distances: Float[np.ndarray, 'K']
  true_numbers: Int[np.ndarray, 'N']
  nearest_numbers: Int[np.ndarray, 'N']
  count_exact: bool


def compare_atoms(true: Atoms, decoded: Atoms) -> AtomComparison:
  """Compares atoms inside a box with all decoded or true atoms around it.

  An atom just inside a wall may be decoded just outside of it: its distance is
  then small, and only the count is wrong.
  """
  true_distances, index = _nearest(
    true.positions[true.inside], decoded.positions
  )
  decoded_distances, _ = _nearest(
    decoded.positions[decoded.inside], true.positions
  )
  numbers = np.append(decoded.numbers, 0)
  return AtomComparison(
    true_distances=true_distances,
    decoded_distances=decoded_distances,
    true_numbers=np.asarray(true.numbers)[true.inside],
    nearest_numbers=numbers[index],
    count_exact=int(true.inside.sum()) == int(decoded.inside.sum()),
  )


def summarize_atoms(
  comparisons: Sequence[AtomComparison],
) -> dict[str, float]:
  """Metrics over the atoms of many crystals.

  Returns:
    `count_exact`: share of crystals. `nearest_median`, `nearest_p90`: median
    and 90 % quantile of the distance from a true atom to the nearest decoded
    one, Å; `decoded_nearest_median`, `decoded_nearest_p90`: of the distance
    from a decoded atom to the nearest true one, Å. `found_within_0.5`,
    `found_within_0.3`: share of true atoms with a decoded atom that near, Å.
    `species_accuracy`, `species_within_one`: share of the true atoms found
    within 0.5 Å whose atomic number is right, or differs by at most one.
    `atoms_right`: share of all true atoms that are found within 0.5 Å with the
    right species. NaN if nothing was decoded.
  """
  true = np.concatenate([c.true_distances for c in comparisons])
  decoded = np.concatenate([c.decoded_distances for c in comparisons])
  number_errors = np.concatenate(
    [np.abs(c.true_numbers - c.nearest_numbers) for c in comparisons]
  )
  found = true <= 0.5
  return {
    'count_exact': _share(np.array([c.count_exact for c in comparisons])),
    'nearest_median': _quantile(true, 0.5),
    'nearest_p90': _quantile(true, 0.9),
    'decoded_nearest_median': _quantile(decoded, 0.5),
    'decoded_nearest_p90': _quantile(decoded, 0.9),
    'found_within_0.5': _share(found),
    'found_within_0.3': _share(true <= 0.3),
    'species_accuracy': _share(number_errors[found] == 0),
    'species_within_one': _share(number_errors[found] <= 1),
    'atoms_right': _share(found & (number_errors == 0)),
  }


def _nearest(
  sources: Float[np.ndarray, 'N 3'], targets: Float[np.ndarray, 'M 3']
) -> tuple[Float[np.ndarray, 'N'], Int[np.ndarray, 'N']]:
  """Distance to the nearest target, at most `MAX_DISTANCE`, and its index.

  Index -1 where there are no targets.
  """
  if not len(targets) or not len(sources):
    return np.full(len(sources), MAX_DISTANCE), np.full(len(sources), -1)
  distances, index = cKDTree(targets).query(sources)
  return np.minimum(distances, MAX_DISTANCE), index


def _share(mask: Bool[np.ndarray, 'N']) -> float:
  return float(np.mean(mask)) if len(mask) else float('nan')


def _quantile(distances: Float[np.ndarray, 'N'], q: float) -> float:
  return float(np.quantile(distances, q)) if len(distances) else float('nan')
