"""Nearest neighbours in the latent.

d² = Σ_i k_i (z_i - z'_i)², where k_i is 1 minus the mean posterior variance of
latent number i. A number with the variance of the prior (1) has weight 0, a
number without uncertainty has weight 1.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def known_share(
  std: Float[np.ndarray, 'B D'],
) -> Float[np.ndarray, 'D']:
  """1 - mean posterior variance of each latent number, at least zero."""
  variance = np.square(np.asarray(std, np.float64)).mean(axis=0)
  return np.clip(1 - variance, 0, 1)


def nearest(
  query: Float[np.ndarray, 'Q D'],
  z: Float[np.ndarray, 'B D'],
  k: int,
  known: Float[np.ndarray, 'D'],
) -> tuple[Int[np.ndarray, 'Q K'], Float[np.ndarray, 'Q K']]:
  """Indices and distances of the nearest rows, nearest first.

  Args:
    query: Latents to find neighbours of.
    z: Latents to find them among; a row that is not finite is never found.
    k: Neighbours of each, at most as many as rows are finite.
    known: Weight of each number; see `known_share`.
  """
  usable = np.flatnonzero(np.isfinite(z).all(1))
  k = min(k, len(usable))
  scale = np.sqrt(known)
  rows = np.asarray(z[usable], np.float64) * scale
  squares = np.square(rows).sum(1)
  indices = np.zeros((len(query), k), int)
  distances = np.zeros((len(query), k))
  for i, one in enumerate(np.asarray(query, np.float64) * scale):
    d2 = np.maximum(squares - 2 * rows @ one + one @ one, 0)
    order = np.argpartition(d2, k - 1)[:k] if k else np.zeros(0, int)
    order = order[np.argsort(d2[order], kind='stable')]
    indices[i], distances[i] = usable[order], np.sqrt(d2[order])
  return indices, distances
