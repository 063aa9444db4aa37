"""Several sets as one, in which each has its share."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from crystal_jax.data.arrays import Arrays, with_slots

_log = logging.getLogger(__name__)


def mix(parts: Sequence[Arrays], weights: Sequence[float] = ()) -> Arrays:
  """Several sets as one, in which each has its share.

  No crystal is left out: sets that are small for their share are repeated, the
  last time in part (the crystals that get one more are evenly spread).

  Args:
    parts: Arrays of each set; a property that one lacks is NaN there.
    weights: Shares of an epoch, in any unit; empty: the sets' sizes.

  Raises:
    ValueError: If there is not one positive weight a set.
  """
  rows = mixed_rows([len(part['numbers']) for part in parts], weights)
  # A set without crystals lacks columns too.
  some = [pair for pair in zip(parts, rows, strict=True) if len(pair[1])]
  if not some:
    return parts[0]
  slots = max(part['numbers'].shape[1] for part, _ in some)
  some = [(with_slots(part, slots), row) for part, row in some]
  names = dict.fromkeys(name for part, _ in some for name in part)
  return {
    name: np.concatenate([_column(part, name)[row] for part, row in some])
    for name in names
  }


def mixed_rows(
  sizes: Sequence[int], weights: Sequence[float] = ()
) -> list[np.ndarray]:
  """Which crystals of each set an epoch holds; see `mix`.

  Raises:
    ValueError: If there is not one positive weight a set.
  """
  if weights and (len(weights) != len(sizes) or min(weights) <= 0):
    raise ValueError(
      f'Need one positive weight for each of {len(sizes)} sets, not '
      f'{tuple(weights)}.'
    )
  sizes = np.asarray(sizes)
  shares = np.asarray(weights or np.maximum(sizes, 1), float)
  wanted = np.rint(shares * (sizes / shares).max()).astype(int) * (sizes > 0)
  rows = [
    np.arange(count) * size // max(count, 1)
    for size, count in zip(sizes, np.maximum(wanted, sizes), strict=True)
  ]
  _log.info(
    'An epoch holds %s crystals of sets of %s.',
    [len(r) for r in rows],
    sizes.tolist(),
  )
  return rows


def _column(part: Arrays, name: str) -> np.ndarray:
  """A column, NaN where the set has none."""
  missing = np.full(len(part['numbers']), np.nan, np.float32)
  return part.get(name, missing)
