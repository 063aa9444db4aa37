"""Weights by which examples are sampled."""

from __future__ import annotations

import numpy as np


def size_weights(
  numbers: np.ndarray, *, above: int, share: float
) -> np.ndarray:
  """Sampling weights by size: `share` of examples have more than `above` atoms.

  Args:
    numbers: Atomic numbers, [M, N]; 0 is an empty slot.
    above: Number of atoms; larger crystals share the probability `share`.
    share: Expected share of the larger crystals in a batch, 0 to 1.

  Returns:
    Weights [M] for `batches(sampling=)`; all 1 if every crystal is larger, or
    none is.

  Raises:
    ValueError: If `share` is not between 0 and 1.
  """
  if not 0 <= share <= 1:
    raise ValueError(f'Need 0 <= {share=} <= 1.')
  large = (np.asarray(numbers) > 0).sum(1) > above
  count = int(large.sum())
  if count in (0, len(large)):
    return np.ones(len(large))
  return np.where(large, share / count, (1 - share) / (len(large) - count))


def cumulative_weights(
  sampling: np.ndarray | None, crystals: int, origins: int, seed: int | None
) -> np.ndarray | None:
  """Running sum of the examples' probabilities, [M * origins]; None: equal.

  Raises:
    ValueError: If `sampling` is not one weight >= 0 per crystal, or there is no
      seed.
  """
  if sampling is None:
    return None
  weights = np.asarray(sampling, float)
  valid = weights.shape == (crystals,) and np.isfinite(weights).all()
  if not valid or (weights < 0).any() or not weights.any():
    raise ValueError(
      f'Need one weight >= 0 per crystal, {crystals}, and one above 0; got '
      f'{weights.shape}.'
    )
  if seed is None:
    raise ValueError('Sampling by weights needs a seed.')
  cumulative = np.cumsum(np.repeat(weights, origins))
  cumulative /= cumulative[-1]
  # Rounding must not leave a gap above the last positive weight.
  cumulative[cumulative >= 1] = np.inf
  return cumulative
