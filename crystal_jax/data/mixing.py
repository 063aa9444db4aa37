"""Concatenation of data sets with given shares."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from crystal_jax.data.arrays import Arrays, with_slots

_log = logging.getLogger(__name__)


def mix(parts: Sequence[Arrays], weights: Sequence[float] = ()) -> Arrays:
  """Concatenates data sets so that each has its share of an epoch.

  No crystal is left out: sets that are smaller than their share are repeated,
  the last repetition in part (its crystals are evenly spaced).

  Args:
    parts: Arrays of each set; scalars that a set lacks are NaN in its rows.
    weights: Shares of an epoch, in any unit; empty: the sets' sizes.

  Raises:
    ValueError: If there is not one positive weight for each set.
  """
  rows = mixed_rows([len(part['numbers']) for part in parts], weights)
  # A set without crystals may lack columns.
  filled = [pair for pair in zip(parts, rows, strict=True) if len(pair[1])]
  if not filled:
    return parts[0]
  slots = max(part['numbers'].shape[1] for part, _ in filled)
  filled = [(with_slots(part, slots), row) for part, row in filled]
  names = dict.fromkeys(name for part, _ in filled for name in part)
  return {
    name: np.concatenate([_column(part, name)[row] for part, row in filled])
    for name in names
  }


def mixed_rows(
  sizes: Sequence[int], weights: Sequence[float] = ()
) -> list[np.ndarray]:
  """Rows of each set in one epoch; see `mix`.

  Raises:
    ValueError: If there is not one positive weight for each set.
  """
  if weights and (len(weights) != len(sizes) or min(weights) <= 0):
    raise ValueError(
      f'Need one positive weight for each of {len(sizes)} sets, not '
      f'{tuple(weights)}.'
    )
  size_of = np.asarray(sizes)
  shares = np.asarray(weights or np.maximum(size_of, 1), float)
  wanted = np.rint(shares * (size_of / shares).max()).astype(int)
  wanted = np.maximum(wanted * (size_of > 0), size_of)
  rows = [
    np.arange(count) * size // max(count, 1)
    for size, count in zip(size_of, wanted, strict=True)
  ]
  _log.info(
    'One epoch: %s crystals of sets with %s.',
    [len(r) for r in rows],
    size_of.tolist(),
  )
  return rows


def _column(part: Arrays, name: str) -> np.ndarray:
  """A column of a set; NaN if the set lacks it."""
  missing = np.full(len(part['numbers']), np.nan, np.float32)
  return part.get(name, missing)
