"""Autocorrelation of a field in a box, and lattices of its maxima.

If decoded atoms have errors or are missing, a search from atom to atom may miss
the lattice, but the field as a whole still repeats. The autocorrelation over
the overlap of the field and its copy, moved by t,

  Σ F(r) · F(r + t) / sqrt(Σ |F(r)|² Σ |F(r + t)|²),

takes a few FFTs. Its maxima are lattice vectors and pseudo-translations.

Host NumPy, float64.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import ArrayLike, Float

from crystal_jax.lattice_search.config import SEARCH


@dataclasses.dataclass(frozen=True)
class AutocorrelationConfig:
  """Constants, tuned on mp_le20_val and a network with errors of 0.1 Å.

  Attributes:
    max_component: Largest component of a maximum, Å.
    max_scored_component: Largest component of a vector that is scored, Å.
    min_height: Smallest autocorrelation of a maximum.
    max_maxima: Maximum number of maxima, each with its opposite.
    choices_per_vector: Number of maxima that each vector of the prior may snap
      to.
    snap_distance: Largest distance to such a maximum, Å.
    distance_cost: Cost of a distance, autocorrelation per Å.
    volume_bounds: Bounds of the volume, over that of the prior.
  """

  max_component: float = 7.4
  max_scored_component: float = 6.7
  min_height: float = 0.3
  max_maxima: int = 60
  choices_per_vector: int = 8
  snap_distance: float = 2.0
  distance_cost: float = 0.03
  volume_bounds: tuple[float, float] = (0.55, 1.6)


_CONFIG = AutocorrelationConfig()

# Half of the shortest translations of a lattice.
_SHORT = np.array(
  [n for n in itertools.product((-1, 0, 1), repeat=3) if n > (0, 0, 0)]
)


def autocorrelation(
  field: Float[ArrayLike, 'G G G C'],
) -> Float[np.ndarray, 'M M M']:
  """The normalized autocorrelation of a field, by translation.

  Args:
    field: C channels in a box of G voxels a side.

  Returns:
    From -1 to 1; index t stands for t voxels, or t - M of them, M = 2 G.
  """
  field = np.asarray(field, np.float64)
  shape = (2 * len(field),) * 3

  def waves(values):
    return scipy.fft.rfftn(values, shape, axes=(0, 1, 2))

  def space(spectrum):
    return scipy.fft.irfftn(spectrum, shape)

  products = space(np.square(np.abs(waves(field))).sum(axis=-1))
  size = waves(np.square(field).sum(axis=-1))
  box = waves(np.ones(field.shape[:3]))
  sizes = space(size.conj() * box) * space(size * box.conj())
  # Zero where the shared part of the box is empty.
  sizes = np.maximum(sizes, 1e-12 * products.flat[0] ** 2 + 1e-30)
  return products / np.sqrt(sizes)


def score(
  correlation: Float[np.ndarray, 'M M M'],
  spacing: float,
  cells: Float[np.ndarray, 'L 3 3'],
) -> Float[np.ndarray, 'L']:
  """Mean autocorrelation at the short vectors of lattices.

  Args:
    correlation: The result of `autocorrelation`.
    spacing: Distance between voxels, Å.
    cells: Reduced lattices, vectors as rows, Å.

  Returns:
    The mean over the vectors inside the box; -1 if there are fewer than three.
  """
  vectors = np.einsum('kn,lnj->lkj', _SHORT, cells)
  seen = np.abs(vectors).max(axis=-1) <= _CONFIG.max_scored_component
  values = scipy.ndimage.map_coordinates(
    correlation, vectors.reshape(-1, 3).T / spacing, order=1, mode='grid-wrap'
  ).reshape(seen.shape)
  count = seen.sum(axis=1)
  mean = (values * seen).sum(axis=1) / np.maximum(count, 1)
  return np.where(count >= 3, mean, -1.0)


def snap(
  correlation: Float[np.ndarray, 'M M M'],
  spacing: float,
  prior: Float[ArrayLike, '3 3'],
) -> tuple[Float[np.ndarray, '3 3'], float]:
  """The lattice of highest autocorrelation near a prior.

  Args:
    correlation: The result of `autocorrelation`.
    spacing: Distance between voxels, Å.
    prior: Lattice vectors as rows, Å, each within 2 Å of the truth.

  Returns:
    The lattice and its `score`; the prior and -1 if there is none.
  """
  prior = np.asarray(prior, np.float64)
  maxima = _maxima(correlation, spacing)
  choices = []
  for vector in prior:
    distance = np.linalg.norm(maxima - vector, axis=1)
    nearest = np.argsort(distance)[: _CONFIG.choices_per_vector]
    near = [
      (maxima[i], distance[i])
      for i in nearest
      if distance[i] < _CONFIG.snap_distance
    ]
    choices.append(near or [(vector, _CONFIG.snap_distance)])
  triples = list(itertools.product(*choices))
  cells = np.array([[vector for vector, _ in triple] for triple in triples])
  distances = np.array([sum(d for _, d in triple) for triple in triples])
  cost = _CONFIG.distance_cost * distances
  share = np.abs(np.linalg.det(cells) / np.linalg.det(prior))
  kept = (share > _CONFIG.volume_bounds[0]) & (share < _CONFIG.volume_bounds[1])
  if not kept.any():
    return prior, -1.0
  cells, cost = cells[kept], cost[kept]
  scores = score(correlation, spacing, cells)
  best = (scores - cost).argmax()
  return cells[best], float(scores[best])


def _maxima(correlation, spacing):
  """Vectors [T, 3] of the highest maxima and of their opposites, Å."""
  size = len(correlation)
  top = correlation == scipy.ndimage.maximum_filter(correlation, 3, mode='wrap')
  index = np.argwhere(top & (correlation > _CONFIG.min_height))
  steps = (index + size // 2) % size - size // 2
  length = np.linalg.norm(steps, axis=1) * spacing
  kept = (np.abs(steps).max(axis=1) * spacing <= _CONFIG.max_component) & (
    length >= SEARCH.min_length
  )
  steps = steps[kept]
  value = correlation[tuple(index[kept].T)]
  order = np.argsort(-value)[: 2 * _CONFIG.max_maxima]
  steps, value = steps[order], value[order]
  offsets = np.zeros(steps.shape)
  for axis, step in enumerate(np.eye(3, dtype=int)):
    # The top of the parabola through three voxels.
    low, high = (
      correlation[tuple(((steps + sign * step) % size).T)] for sign in (-1, 1)
    )
    bend = low - 2 * value + high
    offsets[:, axis] = 0.5 * (low - high) / np.where(bend < 0, bend, np.inf)
  return (steps + np.clip(offsets, -0.5, 0.5)) * spacing
