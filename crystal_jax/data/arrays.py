"""Padded arrays of a whole split, in memory.

Two million crystals a second are batched from arrays in memory, five thousand
from records on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.data import compact_source

Arrays = dict[str, np.ndarray]

# Crystals per step of `count_atoms`.
_BLOCK = 1 << 12

# 32-bit type of each kind of scalar: TFDS returns Python numbers, which NumPy
# stores in 64 bits.
_TYPES_32 = {'f': np.float32, 'i': np.int32, 'u': np.int32}


def in_memory(
  source: Sequence[Mapping[str, Any]], *, max_atoms: int | None = None
) -> Arrays:
  """Reads all records of a source.

  Args:
    source: Records, as returned by `load_split`.
    max_atoms: Slots of each crystal; None: as many as the largest needs.

  Returns:
    numbers [M, N] int32, positions [M, N, 3] float32 in Å, cell [M, 3, 3]
    float32 in Å, id [M] str, and every scalar of the records, [M].

  Raises:
    ValueError: If there are no records, or one has more than `max_atoms`
      atoms; the error names it.
  """
  if isinstance(source, compact_source.Compact):
    return source.arrays(max_atoms)
  return stack([source[i] for i in range(len(source))], max_atoms=max_atoms)


def records(
  arrays: Mapping[str, np.ndarray], indices: Iterable[int]
) -> list[dict[str, Any]]:
  """Selected rows of padded arrays as records without empty slots."""
  rows = []
  for i in indices:
    row = {name: column[i] for name, column in arrays.items()}
    full = row['numbers'] > 0
    row['numbers'] = row['numbers'][full]
    row['positions'] = row['positions'][full]
    rows.append(row)
  return rows


def stack(
  rows: Sequence[Mapping[str, Any]], *, max_atoms: int | None = None
) -> Arrays:
  """Records to padded arrays; see `in_memory`."""
  if not rows:
    raise ValueError('There are no records to stack.')
  largest = max(rows, key=lambda row: len(row['numbers']))
  slots = len(largest['numbers']) if max_atoms is None else max_atoms
  if len(largest['numbers']) > slots:
    raise ValueError(
      f'{largest.get("id", "A crystal")} has {len(largest["numbers"])} atoms, '
      f'more than {max_atoms=}.'
    )
  arrays = {
    'numbers': np.zeros((len(rows), slots), np.int32),
    'positions': np.zeros((len(rows), slots, 3), np.float32),
    'cell': np.asarray([row['cell'] for row in rows], np.float32),
  }
  for i, row in enumerate(rows):
    count = len(row['numbers'])
    arrays['numbers'][i, :count] = row['numbers']
    arrays['positions'][i, :count] = row['positions']
  for name in rows[0]:
    if name not in arrays:
      column = np.asarray([row[name] for row in rows])
      arrays[name] = column.astype(
        _TYPES_32.get(column.dtype.kind, column.dtype)
      )
  return arrays


def with_slots(arrays: Arrays, slots: int) -> Arrays:
  """The same crystals with `slots` atom slots, truncated or padded."""
  if slots == arrays['numbers'].shape[1]:
    return arrays
  spare = max(0, slots - arrays['numbers'].shape[1])
  return arrays | {
    'numbers': np.pad(arrays['numbers'], [(0, 0), (0, spare)])[:, :slots],
    'positions': np.pad(
      arrays['positions'], [(0, 0), (0, spare), (0, 0)]
    )[:, :slots],
  }  # fmt: skip


def count_atoms(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
  """Number of atoms of each element in all crystals, by atomic number.

  Counts block by block, since `memory_map` may map the arrays from disk.
  """
  total, numbers = np.zeros(1, np.int64), arrays['numbers']
  for start in range(0, len(numbers), _BLOCK):
    counts = np.bincount(numbers[start : start + _BLOCK].ravel())
    size = max(len(counts), len(total))
    total = np.pad(total, (0, size - len(total)))
    total += np.pad(counts, (0, size - len(counts)))
  total[0] = 0  # Empty slots.
  return total
