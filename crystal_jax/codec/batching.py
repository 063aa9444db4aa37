"""Crystals to full batches of one size, ready to be encoded.

Shapes depend on each crystal alone, so results do not depend on the batch.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from crystal_jax.representation.protocol import Representation
from crystal_jax.structure import elements
from crystal_jax.structure.adapters import Refused
from crystal_jax.structure.crystal import Crystal

# Crystals per call of the networks.
SIZE = 32
# Crystals that are prepared together, while the networks compute; and of very
# many, so that a representation may use worker processes.
_PREPARED, _PREPARED_OF_MANY = 256, 1 << 16


def batches(
  representation: Representation,
  crystals: Sequence[Crystal | Refused],
  known: Collection[int] | None,
  fail: Callable[[int, str], None],
) -> Iterator[tuple[Representation, list[int], dict[str, np.ndarray]]]:
  """Batches of the crystals that the representation takes.

  Args:
    representation: Prepares columns of each crystal.
    crystals: Crystals as returned by `adapters.to_crystals`.
    known: Atomic numbers that may occur; None: all.
    fail: Called with the index of a crystal that is refused, and the reason.

  Yields:
    The representation with enough images, the indices of some crystals, and a
    batch of `SIZE` rows, of which theirs come first.
  """
  waiting = collections.defaultdict(list)
  step = _PREPARED if len(crystals) < _PREPARED_OF_MANY else _PREPARED_OF_MANY
  for start in range(0, len(crystals), step):
    batch = crystals[start : start + step]
    prepared = _prepare(representation, batch, known)
    for index, row in enumerate(prepared, start):
      if isinstance(row, str):
        fail(index, row.rstrip('.'))
        continue
      sized, columns = row
      key = sized, columns['numbers'].shape
      waiting[key].append((index, columns))
      if len(waiting[key]) == SIZE:
        yield sized, *_stack(waiting.pop(key))
  for (sized, _), rows in waiting.items():
    yield sized, *_stack(rows)


def _prepare(
  representation: Representation,
  crystals: Sequence[Crystal | Refused],
  known: Collection[int] | None,
) -> list[tuple[Representation, dict[str, np.ndarray]] | str]:
  """The representation sized for each crystal and its columns, [1, ..] each.

  Instead a reason where a crystal cannot be encoded. Crystals with as many
  slots are prepared together.
  """
  results: list[Any] = [_refusal(crystal, known) for crystal in crystals]
  by_slots: dict[int, dict[int, Crystal]] = collections.defaultdict(dict)
  for index, crystal in enumerate(crystals):
    if isinstance(crystal, Crystal) and results[index] is None:
      by_slots[_slots(len(crystal.numbers))][index] = crystal
  for slots, group in by_slots.items():
    indices, arrays = [*group], arrays_of([*group.values()], slots)
    columns, dropped = representation.prepare(arrays)
    for name, reason in dropped:
      results[indices[int(name)]] = reason
    for row, name in enumerate(columns['id'].tolist()):
      alone = {key: column[row : row + 1] for key, column in columns.items()}
      one = slice(int(name), int(name) + 1)
      sized = representation.sized({k: v[one] for k, v in arrays.items()})
      results[indices[int(name)]] = sized, alone
  return results


def _refusal(crystal, known) -> str | None:
  """Why a crystal is not prepared, or None."""
  if isinstance(crystal, Refused):
    return crystal.reason
  if not known:
    return None
  unseen = set(crystal.numbers.tolist()).difference(known)
  if not unseen:
    return None
  symbols = ', '.join(elements.symbol(number) for number in sorted(unseen))
  return f'{symbols} was never seen in training'


def one_batch(
  representation: Representation, crystals: Sequence[Crystal]
) -> tuple[Representation, dict[str, np.ndarray]]:
  """The representation sized for all crystals, and their batch, [B, ..] each.

  Raises:
    ValueError: If the representation refuses one: its index and the reason.
  """
  arrays = arrays_of(crystals)
  columns, dropped = representation.prepare(arrays)
  if dropped:
    index, reason = dropped[0]
    raise ValueError(f'Crystal {index} cannot be encoded: {reason}.')
  batch = full_batch(columns, np.arange(len(crystals)), len(crystals))
  return representation.sized(arrays), batch


def full_batch(
  columns: Mapping[str, np.ndarray],
  rows: np.ndarray,
  size: int,
  *,
  sample: ArrayLike = 0,
) -> dict[str, np.ndarray]:
  """Some rows of prepared columns as a batch of a fixed size.

  Args:
    columns: Prepared crystals.
    rows: Indices of at most `size` rows; they are repeated to fill the batch.
    size: Rows of the batch.
    sample: Number of the sample of each crystal, one or [size].

  Returns:
    The columns but text, floats as float32, and index, sample and mask [size].
    The mask is false where rows are repeated.
  """
  padded = np.resize(rows, size)
  batch = {
    name: _single(column[padded])
    for name, column in columns.items()
    if column.dtype.kind in 'biuf'
  }
  batch['index'] = np.arange(size, dtype=np.int32)
  batch['sample'] = np.full(size, sample, np.int32)
  batch['mask'] = np.arange(size) < len(rows)
  return batch


def arrays_of(
  crystals: Sequence[Crystal], slots: int | None = None
) -> dict[str, np.ndarray]:
  """Crystals padded and stacked, as `Representation.prepare` takes them.

  Args:
    crystals: Crystals without empty slots.
    slots: Slots of each crystal; None: enough for the largest.

  Returns:
    id [M], the index of each as text; numbers [M, N], positions [M, N, 3] and
    cell [M, 3, 3].
  """
  if slots is None:
    slots = _slots(max(len(crystal.numbers) for crystal in crystals))
  numbers = np.zeros((len(crystals), slots), np.int32)
  positions = np.zeros((len(crystals), slots, 3))
  for row, crystal in enumerate(crystals):
    numbers[row, : len(crystal.numbers)] = crystal.numbers
    positions[row, : len(crystal.numbers)] = crystal.positions
  return {
    'id': np.array([str(index) for index in range(len(crystals))]),
    'numbers': numbers,
    'positions': positions,
    'cell': np.array([np.asarray(c.cell, np.float64) for c in crystals]),
  }


def _slots(atoms: int) -> int:
  """Slots of a crystal: a power of two, at least eight."""
  return 1 << max(3, (atoms - 1).bit_length())


def _stack(rows) -> tuple[list[int], dict[str, np.ndarray]]:
  """Indices, and a batch of `SIZE` rows."""
  indices, columns = zip(*rows, strict=True)
  stacked = {
    name: np.concatenate([each[name] for each in columns])
    for name in columns[0]
  }
  return list(indices), full_batch(stacked, np.arange(len(rows)), SIZE)


def _single(column):
  return column.astype(np.float32) if column.dtype.kind == 'f' else column
