"""Standard frames (`frame`) of many crystals, on the host."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from crystal_jax.io.reading import pool
from crystal_jax.representation import frame, lattice_numbers
from crystal_jax.representation.protocol import Arrays
from crystal_jax.structure import elements

# Smallest number of crystals for which worker processes are started: each takes
# seconds to import its modules, a frame half a millisecond.
_MIN_PARALLEL = 20_000
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
  reasons, rows = _rows(arrays)
  results = _results(
    functools.partial(_one, max_atoms, refuse, niggli_tolerance), rows
  )
  frames: dict[int, Frame] = {}
  for index, result in zip(np.flatnonzero(reasons == ''), results, strict=True):
    if isinstance(result, str):
      reasons[index] = result
    else:
      frames[int(index)] = result
  dropped = [
    (str(arrays['id'][i]), str(reasons[i])) for i in np.flatnonzero(reasons)
  ]
  kept = [*frames]
  cells = np.array([frame[2] for frame in frames.values()]).reshape(-1, 3, 3)
  columns = {
    'id': np.asarray(arrays['id'])[kept],
    'numbers': np.zeros((len(kept), max_atoms), np.int32),
    'fractional': np.zeros((len(kept), max_atoms, 3), np.float32),
    'cell': cells.astype(np.float32),
    'lattice': lattice_numbers.to_numbers(cells).astype(np.float32),
    'row': np.asarray(kept, np.int32),
  }
  for row, (numbers, fractional, _) in enumerate(frames.values()):
    columns['numbers'][row, : len(numbers)] = numbers
    columns['fractional'][row, : len(numbers)] = fractional
  return columns, dropped


def _rows(arrays: Arrays) -> tuple[np.ndarray, list[Frame]]:
  """Why each crystal has no frame, or '', and the contents of the others."""
  numbers = np.asarray(arrays['numbers'])
  positions = np.asarray(arrays['positions'], np.float64)
  cells = np.asarray(arrays['cell'], np.float64)
  reasons = np.full(len(cells), '', object)
  heaviest = numbers.max(axis=1, initial=0)
  with np.errstate(all='ignore'):
    lengths = np.linalg.norm(cells, axis=2).prod(axis=1)
    is_solid = np.abs(np.linalg.det(cells)) >= 1e-6 * lengths
  finite = np.isfinite(cells).all(axis=(1, 2)) & is_solid
  finite &= (np.isfinite(positions) | (numbers == 0)[..., None]).all((1, 2))
  reasons[~finite] = (
    'its lattice or a position is not finite, or it has no volume'
  )
  for index in np.flatnonzero(heaviest > elements.MAX_NUMBER):
    reasons[index] = (
      f'{elements.symbol(int(heaviest[index]))} is beyond '
      f'{elements.symbol(elements.MAX_NUMBER)}'
    )
  reasons[heaviest == 0] = 'it has no atoms'
  kept = np.flatnonzero(reasons == '')
  fractional = positions[kept] @ np.linalg.inv(cells[kept])
  filled = numbers[kept] > 0
  return reasons, [
    (numbers[i][slots], fractional[row][slots], cells[i])
    for row, (i, slots) in enumerate(zip(kept, filled, strict=True))
  ]


def _one(max_atoms, refuse, niggli_tolerance, row) -> Frame | str:
  """The standard frame of one crystal, or the reason why it is refused."""
  try:
    found = frame.standard_frame(*row, niggli_tolerance=niggli_tolerance)
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
