"""Shortest distances by pair of elements, and volumes by element.

Learnt from known crystals; those of 42,373 crystals of the Materials Project
(CC-BY-4.0) come with the package. They tell what atoms of a new crystal may be
near to each other, and how much room it needs.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterable, Sequence

import ase.data
import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure import contacts, elements
from crystal_jax.structure.crystal import Crystal

# Share of the distance of a pair that 1 % of known crystals fall below. Of
# 1,500 crystals of mp_le20_val 98.3 % pass.
TOLERANCE = 0.9
_SHIPPED = pathlib.Path(__file__).with_name('pair_statistics.npz')
# Quantiles of the distances of a pair over all crystals with both elements.
_SHORTEST, _TYPICAL = 0.01, 0.1
# Crystals from which on a pair's distances are known.
_SUPPORT = 5
# Of the ratios of known pairs to covalent radii, for pairs that are not known.
_UNKNOWN_QUANTILE = 0.25


@dataclasses.dataclass(frozen=True)
class PairStatistics:
  """Statistics of known crystals, by atomic number.

  Attributes:
    shortest: Distance that 1 % of the crystals with both elements fall below,
      Å. Pairs seen in fewer than five crystals have a quarter quantile of the
      other pairs' ratios to their covalent radii.
    typical: The same of 10 % of the crystals.
    volumes: Volume of an atom of each element, Å³, by least squares.
    spread: Standard deviation of the logarithm of a crystal's volume over that
      of its atoms.
  """

  shortest: Float[np.ndarray, 'E E']
  typical: Float[np.ndarray, 'E E']
  volumes: Float[np.ndarray, 'E']
  spread: float

  def volume(self, numbers: Int[np.ndarray, 'N']) -> float:
    """Volume to expect of a cell with these atoms, Å³."""
    return float(self.volumes[np.asarray(numbers)].sum())

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes an npz file."""
    np.savez_compressed(
      path,
      shortest=self.shortest.astype(np.float32),
      typical=self.typical.astype(np.float32),
      volumes=self.volumes.astype(np.float32),
      spread=np.float32(self.spread),
    )


def load(path: str | os.PathLike[str] = _SHIPPED) -> PairStatistics:
  """The statistics that `save` wrote; by default those of the package."""
  with np.load(path, allow_pickle=False) as file:
    return PairStatistics(
      file['shortest'].astype(np.float64),
      file['typical'].astype(np.float64),
      file['volumes'].astype(np.float64),
      float(file['spread']),
    )


def learn(crystals: Sequence[Crystal]) -> PairStatistics:
  """Statistics of crystals, about 1 ms each.

  Args:
    crystals: At least one, without empty slots.

  Raises:
    ValueError: If there are none.
  """
  if not crystals:
    raise ValueError('Need crystals to learn distances and volumes from.')
  pairs: dict[tuple[int, int], list[float]] = collections.defaultdict(list)
  for crystal in crystals:
    for pair, distance in shortest_distances(crystal).items():
      pairs[pair].append(distance)
  volumes, spread = _volumes(crystals)
  shortest, typical = (_quantile(pairs, q) for q in (_SHORTEST, _TYPICAL))
  return PairStatistics(shortest, typical, volumes, spread)


def shortest_distances(crystal: Crystal) -> dict[tuple[int, int], float]:
  """Shortest distance of each pair of elements in a crystal, Å.

  Args:
    crystal: One crystal without empty slots.

  Returns:
    By atomic numbers, the lower one first; images are included.
  """
  numbers = np.asarray(crystal.numbers)
  matrix = contacts.distance_matrix(
    np.asarray(crystal.positions, np.float64),
    np.asarray(crystal.cell, np.float64),
  )
  species, index = np.unique(numbers, return_inverse=True)
  found = np.full((len(species),) * 2, np.inf)
  np.minimum.at(found, (index[:, None], index[None]), matrix)
  return {
    (int(species[i]), int(species[j])): float(found[i, j])
    for i in range(len(species))
    for j in range(i, len(species))
  }


def too_near(
  crystal: Crystal,
  statistics: PairStatistics,
  tolerance: float = TOLERANCE,
) -> str | None:
  """Text of the two atoms that are nearest below the limit; None: none are.

  Args:
    crystal: One crystal without empty slots.
    statistics: Statistics of known crystals.
    tolerance: Limit, as a share of the shortest distance of the two elements in
      known crystals.
  """
  worst, reason = 1.0, None
  for (first, second), distance in shortest_distances(crystal).items():
    limit = tolerance * statistics.shortest[first, second]
    if distance < worst * limit:
      worst = distance / limit
      reason = (
        f'{elements.symbol(first)} and {elements.symbol(second)} are '
        f'{distance:.2f} Å apart, below {limit:.2f} Å'
      )
  return reason


@functools.cache
def shipped() -> PairStatistics:
  """The statistics that come with the package."""
  return load()


def _quantile(pairs, quantile: float) -> Float[np.ndarray, 'E E']:
  radii = ase.data.covalent_radii[: elements.NUM_CLASSES]
  sums = radii[:, None] + radii[None]
  known = {
    pair: float(np.quantile(rows, quantile))
    for pair, rows in pairs.items()
    if len(rows) >= _SUPPORT
  }
  ratios = [distance / sums[pair] for pair, distance in known.items()]
  ratio = np.quantile(ratios, _UNKNOWN_QUANTILE) if ratios else 0.9
  found = ratio * sums
  for pair, rows in pairs.items():
    value = known.get(pair, min(found[pair], min(rows)))
    found[pair] = found[pair[::-1]] = value
  return found


def _volumes(crystals) -> tuple[Float[np.ndarray, 'E'], float]:
  """Volumes by element, and the spread around them."""
  from scipy.optimize import nnls

  counts = _counts(crystals)
  total = np.array(
    [abs(np.linalg.det(np.asarray(c.cell, np.float64))) for c in crystals]
  )
  # Relative errors count: every row is divided by its volume.
  values, _ = nnls(counts / total[:, None], np.ones(len(total)))
  seen = counts.any(axis=0)
  values[~seen] = values[seen].mean()
  spread = np.std(np.log(total / (counts @ values)))
  return values, float(spread)


def _counts(crystals: Iterable[Crystal]) -> Float[np.ndarray, 'M E']:
  return np.array(
    [
      np.bincount(np.asarray(c.numbers), minlength=elements.NUM_CLASSES)
      for c in crystals
    ],
    np.float64,
  )
