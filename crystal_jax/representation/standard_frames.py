"""Standard frames (`frame`) of many crystals, on the host."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from crystal_jax.io.reading import pool
from crystal_jax.representation import frame, lattice_numbers
from crystal_jax.representation.protocol import Arrays
from crystal_jax.structure import elements

# Smallest number of crystals for which worker processes are started.
_MIN_PARALLEL = 5000
# Crystals that are sent to a worker process together.
_BATCH = 256

# Numbers [M], fractional coordinates [M, 3] and cell [3, 3].
Frame = tuple[np.ndarray, np.ndarray, np.ndarray]


def standard_frames(
  arrays: Arrays,
  max_atoms: int,
  refuse: Callable[[Frame], str | None] | None = None,
  *,
  niggli_tolerance: float = 0.0,
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
  """Standard frames of padded crystals.

  Args:
    arrays: See `Representation.prepare`.
    max_atoms: Maximum number of atoms of a primitive cell.
    refuse: Function from a frame to the reason why it is refused, or None;
      picklable.
    niggli_tolerance: Tolerance, Å²; see `frame.standard_frame`.

  Returns:
    Columns: id, numbers [M, N], fractional [M, N, 3], cell [M, 3, 3],
    lattice [M, 6] (`lattice_numbers`) and row [M], the index in `arrays`; N is
    `max_atoms`. And (id, reason) of refused crystals.
  """
  rows = list(
    zip(arrays['numbers'], arrays['positions'], arrays['cell'], strict=True)
  )
  results = _results(
    functools.partial(_one, max_atoms, refuse, niggli_tolerance), rows
  )
  frames = {i: r for i, r in enumerate(results) if not isinstance(r, str)}
  kept = [*frames]
  dropped = [
    (str(arrays['id'][i]), result)
    for i, result in enumerate(results)
    if isinstance(result, str)
  ]
  columns = {
    'id': np.asarray(arrays['id'])[kept],
    'numbers': np.zeros((len(kept), max_atoms), np.int32),
    'fractional': np.zeros((len(kept), max_atoms, 3), np.float32),
    'cell': np.zeros((len(kept), 3, 3), np.float32),
    'lattice': np.zeros((len(kept), 6), np.float32),
    'row': np.asarray(kept, np.int32),
  }
  for row, (numbers, fractional, cell) in enumerate(frames.values()):
    columns['numbers'][row, : len(numbers)] = numbers
    columns['fractional'][row, : len(numbers)] = fractional
    columns['cell'][row] = cell
    columns['lattice'][row] = lattice_numbers.to_numbers(cell)
  return columns, dropped


def _one(max_atoms, refuse, niggli_tolerance, row) -> Frame | str:
  """The standard frame of one crystal, or the reason why it is refused."""
  numbers, positions, cell = map(np.asarray, row)
  numbers, positions = numbers[numbers > 0], positions[numbers > 0]
  if not len(numbers):
    return 'it has no atoms'
  if numbers.max() > elements.MAX_NUMBER:
    return (
      f'{elements.symbol(int(numbers.max()))} is beyond '
      f'{elements.symbol(elements.MAX_NUMBER)}'
    )
  cell = cell.astype(np.float64)
  flat = abs(np.linalg.det(cell)) < 1e-6 * np.prod(np.linalg.norm(cell, axis=1))
  if not np.isfinite(positions).all() or not np.isfinite(cell).all() or flat:
    return 'its lattice or a position is not finite, or it has no volume'
  try:
    found = frame.standard_frame(
      numbers,
      positions @ np.linalg.inv(cell),
      cell,
      niggli_tolerance=niggli_tolerance,
    )
  except ValueError as error:
    return str(error)
  if len(found[0]) > max_atoms:
    return f'{len(found[0])} atoms in the primitive cell, more than {max_atoms}'
  reason = refuse(found) if refuse is not None else None
  return found if reason is None else reason


def _results(function, rows) -> list[Frame | str]:
  """`function` of each row; of many rows in worker processes."""
  workers = 0 if len(rows) < _MIN_PARALLEL else None
  results = pool.isolated_map(function, rows, workers=workers, batch=_BATCH)
  return [
    result.reason if isinstance(result, pool.Failure) else result
    for result in results
  ]
