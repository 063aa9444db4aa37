"""Draws of a prior: one for each crystal, or several until criteria are met."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure.crystal import Crystal

# Maximum number of draws of `exact`, for each crystal that is asked for.
BUDGET = 10


@dataclasses.dataclass
class Draws:
  """Sampled crystals, and what a codec reports of them.

  Attributes:
    crystals: Crystals; None if the draw is not a valid crystal.
    failures: Reasons of the invalid draws, by index.
    unmet: Criteria that a crystal does not meet, by index.
    latents: Latents that were decoded.
    residuals: Residuals of the decoding; see `Codec.residuals`.
  """

  crystals: list[Crystal | None]
  failures: dict[int, str]
  unmet: dict[int, list[str]]
  latents: Float[np.ndarray, 'B D']
  residuals: Float[np.ndarray, 'B']

  @property
  def summary(self) -> str:
    """Unmet criteria, each with its number of crystals; '' if all are met."""
    counts = collections.Counter(
      each for row in self.unmet.values() for each in row
    )
    valid = sum(crystal is not None for crystal in self.crystals)
    return ', '.join(
      f'{name} was asked: {number} of {valid} crystals are not so'
      for name, number in counts.items()
    )


def collect(
  draw_batch: Callable[[Int[np.ndarray, 'B']], Draws], n: int, exact: bool
) -> Draws:
  """Draws 0 to n - 1.

  Args:
    draw_batch: Function from the indices of draws to their crystals.
    n: Number of crystals.
    exact: Whether to draw again in place of crystals that are invalid or do not
      meet the criteria, up to `BUDGET` draws for each crystal.
  """
  draws = draw_batch(np.arange(n))
  num_draws, max_draws = n, n * BUDGET
  while exact and num_draws < max_draws:
    failed = [
      i for i in range(n) if draws.crystals[i] is None or i in draws.unmet
    ]
    if not failed:
      break
    index = np.arange(num_draws, min(max_draws, num_draws + len(failed)))
    num_draws += len(index)
    _replace(draws, failed, draw_batch(index))
  return draws


def _replace(draws: Draws, indices: Sequence[int], further: Draws) -> None:
  """Replaces draws by further ones that meet more of the criteria."""
  for i, index in enumerate(indices[: len(further.crystals)]):
    crystal, unmet = further.crystals[i], further.unmet.get(i)
    if crystal is None or (unmet and draws.crystals[index] is not None):
      continue
    draws.crystals[index] = crystal
    draws.latents[index] = further.latents[i]
    draws.residuals[index] = further.residuals[i]
    draws.failures.pop(index, None)
    draws.unmet.pop(index, None)
    if unmet:
      draws.unmet[index] = unmet
