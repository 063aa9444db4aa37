"""Optimization of a property, starting from known crystals.

Each step tries crystals with exchanged elements, and one along the gradient of
the head. A head is linear, so its gradient is one direction of the latent. The
crystal decoded there is encoded again, and only the prediction from its own
latent counts: predictions for latents between crystals mean nothing. If that
crystal is not better, a step twice as long is tried from the same start;
otherwise the next step starts from the new crystal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.structure.crystal import Crystal

# Change of the property by the first step, in its standard deviations.
_FIRST_STEP = 0.25
# Longest step, in the same units.
_MAX_STEP = 8.0


@dataclasses.dataclass(frozen=True)
class Optimized:
  """Result of the optimization of one crystal.

  Attributes:
    crystal: The best crystal; the known one if none is better.
    before: Property of the known crystal, predicted by the head.
    after: Property of `crystal`, predicted from its own latent.
    steps: Number of better crystals on the way.
  """

  crystal: Crystal
  before: float
  after: float
  steps: int


def optimize(
  crystals: Sequence[Crystal],
  encode: Callable[[Sequence[Crystal | None]], Float[np.ndarray, 'B D']],
  decode: Callable[[Float[np.ndarray, 'B D']], Sequence[Crystal | None]],
  read: Callable[[Float[np.ndarray, 'B D']], Float[np.ndarray, 'B']],
  direction: Float[np.ndarray, 'D'],
  *,
  steps: int,
  exchanges: Callable[[Crystal, int, int], Sequence[Crystal]] | None = None,
) -> list[Optimized]:
  """Lowers a property of each crystal.

  Args:
    crystals: Known crystals.
    encode: Function from crystals to latents; NaN if a crystal has none.
    decode: Function from latents to crystals; None if a latent has none.
    read: Function from latents to the property, which is lowered.
    direction: Change of a latent that lowers the property by one of its
      standard deviations.
    steps: Number of steps from each crystal.
    exchanges: Function from the best crystal so far, its index and the number
      of the step to crystals with exchanged elements. None: elements change
      along the direction alone.
  """
  best: list[Crystal] = list(crystals)
  z = encode(crystals)
  before = read(z)
  after, better = before.copy(), np.zeros(len(best), int)
  length = np.full(len(best), _FIRST_STEP)
  for step in range(steps):
    if exchanges is not None:
      groups = [exchanges(crystal, i, step) for i, crystal in enumerate(best)]
      start_of = [i for i, group in enumerate(groups) for _ in group]
      candidates = [crystal for group in groups for crystal in group]
      own = encode(candidates)
      value = np.where(np.isfinite(own).all(1), read(own), np.inf)
      for i, candidate, latent, each in zip(
        start_of, candidates, own, value.tolist(), strict=True
      ):
        if each < after[i]:
          best[i], z[i], after[i] = candidate, latent, each
          better[i] += 1
    tried = decode(z + length[:, None] * direction[None])
    own = encode(tried)
    value = np.where(np.isfinite(own).all(1), read(own), np.inf)
    improved = value < after
    for i in np.flatnonzero(improved).tolist():
      crystal = tried[i]
      if crystal is not None:
        best[i] = crystal
    z = np.where(improved[:, None], own, z)
    after = np.where(improved, value, after)
    better += improved
    length = np.where(improved, _FIRST_STEP, np.minimum(2 * length, _MAX_STEP))
  return [
    Optimized(crystal, float(a), float(b), int(n))
    for crystal, a, b, n in zip(best, before, after, better, strict=True)
  ]
