"""Crystals of a lower (or higher) property, from known ones.

A head is linear, so its gradient is one direction d of the latent. What a step
along it decodes to is encoded again, and only what the head reads off that own
latent counts: a latent between crystals can be read as anything. A step whose
crystal is not better is taken twice as far from the same start; after a better
one the next step starts from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.structure.crystal import Crystal

# The first step's change of the property, in its standard deviations.
_FIRST = 0.25
# Steps are not longer than this, in the same units.
_LONGEST = 8.0


@dataclasses.dataclass(frozen=True)
class Optimized:
  """The best crystal on the way from a known one.

  Attributes:
    crystal: It; the known one, if none was better.
    before: Property of the known crystal, by the head.
    after: Property of `crystal`, by the head from its own latent.
    steps: Steps that found a better crystal.
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
) -> list[Optimized]:
  """Follows a direction of the latent from each crystal.

  Args:
    crystals: Known crystals.
    encode: Crystals to latents, NaN where there is none.
    decode: Latents to crystals, None where nothing came.
    read: Latents to the property, to be lowered.
    direction: Change of a latent that lowers the property by one of its
      standard deviations.
    steps: How many are taken from each crystal.
  """
  best: list[Crystal] = list(crystals)
  z = encode(crystals)
  before = read(z)
  after, better = before.copy(), np.zeros(len(best), int)
  length = np.full(len(best), _FIRST)
  for _ in range(steps):
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
    length = np.where(improved, _FIRST, np.minimum(2 * length, _LONGEST))
  return [
    Optimized(crystal, float(a), float(b), int(n))
    for crystal, a, b, n in zip(best, before, after, better, strict=True)
  ]
