"""Crystals to full batches of one size, ready to be encoded.

Shapes go by the crystal alone, so that neighbours do not matter.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from crystal_jax.structure import adapters, elements

# Crystals that go through the networks together.
SIZE = 32


def batches(
  representation: Any,
  crystals: Sequence[Any],
  known: Collection[int] | None,
  fail: Callable[[int, str], None],
) -> Iterator[tuple[Any, list[int], dict[str, np.ndarray]]]:
  """Batches of the crystals that can be shown.

  Args:
    representation: How they are shown.
    crystals: Of any kind that `foreign` takes.
    known: Atomic numbers that may be in them; None: all.
    fail: Called with the place of one that cannot be shown, and the reason.

  Yields:
    The representation with images enough, the places of some crystals, and a
    batch of `SIZE` rows, of which theirs come first.
  """
  waiting = collections.defaultdict(list)
  for place, crystal in enumerate(crystals):
    try:
      sized, columns = shown(representation, crystal, known)
    except ValueError as error:
      fail(place, str(error).rstrip('.'))
      continue
    key = sized, columns['numbers'].shape
    waiting[key].append((place, columns))
    if len(waiting[key]) == SIZE:
      yield sized, *_stacked(waiting.pop(key))
  for (sized, _), rows in waiting.items():
    yield sized, *_stacked(rows)


def shown(
  representation: Any, item: Any, known: Collection[int] | None
) -> tuple[Any, dict[str, np.ndarray]]:
  """The representation for one crystal, and its columns, [1, ..] each.

  Raises:
    ValueError: If it cannot be shown.
  """
  crystal = adapters.to_crystal(item)
  new = set(crystal.numbers.tolist()) - set(known or range(1, 1000))
  if new:
    symbols = ', '.join(elements.symbol(number) for number in sorted(new))
    raise ValueError(f'{symbols} was never seen in training')
  slots = 1 << max(3, (len(crystal.numbers) - 1).bit_length())
  crystal = crystal.pad(slots)
  arrays = {
    'id': np.array(['']),
    'numbers': crystal.numbers[None],
    'positions': crystal.positions[None],
    'cell': crystal.cell[None],
  }
  columns, dropped = representation.prepare(arrays)
  if dropped:
    raise ValueError(dropped[0][1])
  return representation.sized(arrays), columns


def _stacked(rows) -> tuple[list[int], dict[str, np.ndarray]]:
  """Places, and a batch of `SIZE` rows; the first is repeated to fill it."""
  places = [place for place, _ in rows]
  filled = [columns for _, columns in rows]
  filled += filled[:1] * (SIZE - len(filled))
  batch = {
    name: _single(np.concatenate([columns[name] for columns in filled]))
    for name in filled[0]
    if name != 'id'
  }
  batch['index'] = np.arange(SIZE, dtype=np.int32)
  batch['sample'] = np.zeros(SIZE, np.int32)
  batch['mask'] = np.arange(SIZE) < len(rows)
  return places, batch


def _single(column):
  return column.astype(np.float32) if column.dtype.kind == 'f' else column
