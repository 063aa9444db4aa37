"""Match of decoded crystals with the true ones, in parallel.

`pair_matching` defines a match. Every crystal counts; a comparison that fails
is a miss.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.pair_matching import (
  REASONS,
  Comparison,
  compare_pair,
)
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.crystal import Crystal

__all__ = ['REASONS', 'Comparison', 'compare', 'compare_columns']

Name = TypeVar('Name', bound=Hashable)

_log = logging.getLogger(__name__)


def compare(
  true: Sequence[Crystal],
  found: Sequence[Crystal | str | None],
  *,
  gate: bool = False,
  workers: int | None = None,
  progress: bool = True,
  time_limit: float = 60.0,
) -> list[Comparison]:
  """Compares crystals one to one.

  Args:
    true: The crystals that were encoded.
    found: For each, the decoded crystal, None, or the reason why there is none.
      A reason that begins with 'refused' means that the crystal was not
      encoded.
    gate: Whether to evaluate validity too. Needs `smact`; without it the gated
      columns are left out and the log says so.
    workers: Number of processes; see `isolated_map`. 0: this process.
    progress: Whether to show a progress bar on a terminal.
    time_limit: Seconds that one pair may take.

  Raises:
    ValueError: If the numbers of crystals differ.
  """
  if len(true) != len(found):
    raise ValueError(
      f'Got {len(true)} true and {len(found)} decoded crystals. Give one entry '
      'for each true crystal: a crystal, a reason, or None.'
    )
  if gate and not validity.has_smact():
    _log.warning(
      'smact is not installed: the gated columns are left out. '
      "`pip install 'crystal_jax[eval]'` installs it."
    )
    gate = False
  pairs = [(to_host(t), to_host(f)) for t, f in zip(true, found, strict=True)]
  results = isolated_map(
    functools.partial(compare_pair, gate=gate),
    pairs,
    workers=workers,
    time_limit=time_limit,
    progress='matching' if progress else None,
  )
  return [
    Comparison(reason='failed', detail=result.reason)
    if isinstance(result, Failure)
    else result
    for result in results
  ]


def compare_columns(
  columns: Mapping[
    Name, tuple[Sequence[Crystal], Sequence[Crystal | str | None]]
  ],
  *,
  gate: bool = False,
  workers: int | None = None,
  progress: bool = True,
) -> dict[Name, list[Comparison]]:
  """`compare` for several pairs of lists, with one start of the processes.

  Args:
    columns: True and decoded crystals, by name of the column.
    gate: See `compare`.
    workers: See `compare`.
    progress: See `compare`.
  """
  comparisons = iter(
    compare(
      [crystal for true, _ in columns.values() for crystal in true],
      [crystal for _, found in columns.values() for crystal in found],
      gate=gate,
      workers=workers,
      progress=progress,
    )
  )
  return {
    name: list(itertools.islice(comparisons, len(true)))
    for name, (true, _) in columns.items()
  }


def to_host(crystal):
  """A crystal in float64 NumPy without empty slots; anything else unchanged."""
  if not isinstance(crystal, Crystal):
    return crystal
  numbers = np.asarray(crystal.numbers)
  filled = numbers > 0
  positions = np.asarray(crystal.positions, np.float64)[filled]
  cell = np.asarray(crystal.cell, np.float64)
  return Crystal(numbers[filled], positions, cell)
