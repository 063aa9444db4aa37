"""The atoms that were decoded, against the true ones, one crystal at a time.

`summarize_atoms` pools the atoms of many crystals.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree


@dataclasses.dataclass(frozen=True)
class AtomComparison:
  """The true and the decoded atoms of one box or cell.

  Attributes:
    true_distances: From each true atom to the nearest decoded one, Å.
    decoded_distances: From each decoded atom to the nearest true one, Å.
    true_numbers: Species of the true atoms.
    nearest_numbers: Species of the nearest decoded atom of each.
    count_exact: Whether there are as many decoded atoms as true ones.
  """

  true_distances: Float[np.ndarray, 'N']
  decoded_distances: Float[np.ndarray, 'K']
  true_numbers: Int[np.ndarray, 'N']
  nearest_numbers: Int[np.ndarray, 'N']
  count_exact: bool


def compare_atoms(
  true_positions: Float[np.ndarray, 'N 3'],
  true_numbers: Int[np.ndarray, 'N'],
  true_inside: Bool[np.ndarray, 'N'],
  decoded_positions: Float[np.ndarray, 'K 3'],
  decoded_numbers: Int[np.ndarray, 'K'],
  decoded_inside: Bool[np.ndarray, 'K'],
  farthest: float,
) -> AtomComparison:
  """Compares the atoms inside, against all atoms of the other side.

  An atom a hair inside the wall may be found a hair outside: it is near, and
  only the count is off.

  Args:
    true_positions: Of the true atoms and images, Å.
    true_numbers: Their species.
    true_inside: Which of them lie inside the walls. The others are met, but
      not asked for.
    decoded_positions: Of the decoded atoms, Å.
    decoded_numbers: Their species.
    decoded_inside: Which of them lie inside.
    farthest: The distance that counts where there is nothing to be near to, Å.
  """

  def nearest(from_positions, to_positions):
    if not len(to_positions) or not len(from_positions):
      return (
        np.full(len(from_positions), farthest),
        np.zeros(len(from_positions), int),
      )
    distances, index = cKDTree(to_positions).query(from_positions)
    return np.minimum(distances, farthest), index

  true_distances, index = nearest(
    true_positions[true_inside], decoded_positions
  )
  decoded_distances, _ = nearest(
    decoded_positions[decoded_inside], true_positions
  )
  found = np.append(decoded_numbers, 0)  # Species 0 where nothing was decoded.
  index = index if len(decoded_positions) else index - 1
  return AtomComparison(
    true_distances=true_distances,
    decoded_distances=decoded_distances,
    true_numbers=np.asarray(true_numbers)[true_inside],
    nearest_numbers=found[index],
    count_exact=int(true_inside.sum()) == int(decoded_inside.sum()),
  )


def summarize_atoms(
  comparisons: Sequence[AtomComparison],
) -> Mapping[str, float]:
  """Pools the atoms of many crystals.

  Returns:
    count_exact (share of crystals); nearest_median and nearest_p90 (Å, from
    true to decoded) and their `decoded_` twins (from decoded to true);
    found_within_0.5 and found_within_0.3 (share of true atoms with a decoded
    one that near, Å); species_accuracy and species_within_one (share of the
    true atoms found within 0.5 Å whose species is right, or off by one);
    atoms_right (share of all true atoms found within 0.5 Å with the right
    species). NaN where there is nothing to ask: no decoded atoms at all.
  """
  true = np.concatenate([c.true_distances for c in comparisons])
  decoded = np.concatenate([c.decoded_distances for c in comparisons])
  wrong_by = np.concatenate(
    [np.abs(c.true_numbers - c.nearest_numbers) for c in comparisons]
  )
  found = true <= 0.5
  nan = float('nan')
  share = lambda mask: float(np.mean(mask)) if len(mask) else nan  # noqa: E731
  quantile = (  # noqa: E731
    lambda distances, q: (
      float(np.quantile(distances, q)) if len(distances) else nan
    )
  )
  return {
    'count_exact': share([c.count_exact for c in comparisons]),
    'nearest_median': quantile(true, 0.5),
    'nearest_p90': quantile(true, 0.9),
    'decoded_nearest_median': quantile(decoded, 0.5),
    'decoded_nearest_p90': quantile(decoded, 0.9),
    'found_within_0.5': share(found),
    'found_within_0.3': share(true <= 0.3),
    'species_accuracy': share(wrong_by[found] == 0),
    'species_within_one': share(wrong_by[found] <= 1),
    'atoms_right': share(found & (wrong_by == 0)),
  }
