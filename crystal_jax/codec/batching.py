"""Crystals to full batches of one size, ready to be encoded.

Shapes depend on each crystal alone, so results do not depend on the batch.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import ArrayLike

from crystal_jax.representation.protocol import Representation
from crystal_jax.structure import elements
from crystal_jax.structure.adapters import Refused
from crystal_jax.structure.crystal import Crystal

# Crystals per call of the networks.
SIZE = 32


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
  for index, crystal in enumerate(crystals):
    if isinstance(crystal, Refused):
      fail(index, crystal.reason.rstrip('.'))
      continue
    try:
      sized, columns = columns_of(representation, crystal, known)
    except ValueError as error:
      fail(index, str(error).rstrip('.'))
      continue
    key = sized, columns['numbers'].shape
    waiting[key].append((index, columns))
    if len(waiting[key]) == SIZE:
      yield sized, *_stack(waiting.pop(key))
  for (sized, _), rows in waiting.items():
    yield sized, *_stack(rows)


def columns_of(
  representation: Representation,
  crystal: Crystal,
  known: Collection[int] | None,
) -> tuple[Representation, dict[str, np.ndarray]]:
  """The representation sized for one crystal, and its columns, [1, ..] each.

  Raises:
    ValueError: If it holds an element that is not known, or the representation
      refuses it.
  """
  unseen = set(np.asarray(crystal.numbers).tolist()) - set(
    known or range(1, 1000)
  )
  if unseen:
    symbols = ', '.join(elements.symbol(number) for number in sorted(unseen))
    raise ValueError(f'{symbols} was never seen in training')
  arrays = _arrays([crystal])
  columns, dropped = representation.prepare(arrays)
  if dropped:
    raise ValueError(dropped[0][1])
  return representation.sized(arrays), columns


def one_batch(
  representation: Representation, crystals: Sequence[Crystal]
) -> tuple[Representation, dict[str, np.ndarray]]:
  """The representation sized for all crystals, and their batch, [B, ..] each.

  Raises:
    ValueError: If the representation refuses one: its index and the reason.
  """
  arrays = _arrays(crystals)
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


def _arrays(crystals: Sequence[Crystal]) -> dict[str, np.ndarray]:
  """Crystals padded to a power of two of slots, and stacked."""
  most = max(len(crystal.numbers) for crystal in crystals)
  slots = 1 << max(3, (most - 1).bit_length())
  padded = [crystal.pad(slots) for crystal in crystals]
  return {
    'id': np.array([str(index) for index in range(len(padded))]),
    'numbers': np.stack([np.asarray(c.numbers) for c in padded]),
    'positions': np.stack([np.asarray(c.positions) for c in padded]),
    'cell': np.stack([np.asarray(c.cell) for c in padded]),
  }


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
