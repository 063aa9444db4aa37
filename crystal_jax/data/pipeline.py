"""Padded batches for every device, from a grain pipeline.

All processes walk one globally shuffled order of the data set and agree on
every global batch; process p of P loads slice p of each. So one device, two
devices and two processes see the same global batches. The order is reshuffled
every epoch, by seed and epoch, and runs on over epoch ends: a batch is only
ever partial at the end of the last epoch.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import grain
import numpy as np

from crystal_jax.data import arrays as arrays_lib


def batches(
  data: Mapping[str, np.ndarray] | Sequence[Mapping[str, Any]],
  *,
  batch_size: int,
  num_devices: int,
  seed: int,
  max_atoms: int | None = None,
  process_index: int = 0,
  process_count: int = 1,
  num_epochs: int | None = None,
  origins: int = 1,
  shuffle: bool = True,
  drop_remainder: bool = True,
  workers: int = 0,
) -> grain.DatasetIterator:
  """Iterates over batches of one process.

  Args:
    data: The arrays that `in_memory` returns, or a source of records.
    batch_size: Examples in a global batch.
    num_devices: Devices of this process.
    seed: Seed of the order.
    max_atoms: Slots a crystal. Needed for a source; for arrays it may cut empty
      slots or add some.
    process_index: This process.
    process_count: All processes; each must have as many devices.
    num_epochs: Epochs; None: without end.
    origins: Samples of a crystal in an epoch; see `augment.place`.
    shuffle: Whether to shuffle.
    drop_remainder: Whether to drop a partial last batch. Otherwise it is padded
      with empty crystals that `mask` marks.
    workers: Processes that load ahead; 0: threads, which is right for arrays.

  Returns:
    A grain iterator over dicts, D = num_devices, b examples a device:
    numbers [D, b, N] int32, positions [D, b, N, 3] float32 in Å, cell
    [D, b, 3, 3] float32 in Å; index [D, b] int32, the example's index in the
    global batch; row [D, b] int32, its row in `data`; sample [D, b] int32,
    which of its `origins` samples; mask [D, b] bool, false for padding. Its
    position is `get_state()`, a dict that JSON can hold; `set_state` goes on
    exactly there.

  Raises:
    ValueError: If the batch does not divide among the devices, there are no
      examples, or fewer than one batch of them under `drop_remainder`.
  """
  devices = num_devices * process_count
  if batch_size < 1 or batch_size % devices:
    raise ValueError(
      f'{batch_size=} does not divide among {num_devices=} in each of '
      f'{process_count=} processes.'
    )
  if not 0 <= process_index < process_count:
    raise ValueError(f'Need 0 <= {process_index=} < {process_count=}.')
  load = _Load(data, batch_size, num_devices, max_atoms, origins)
  load.process = process_index, process_count
  examples = load.num_crystals * origins
  order = _Order(examples, batch_size, seed if shuffle else None, num_epochs)
  num_batches = order.num_batches(drop_remainder)
  if not num_batches:
    raise ValueError(
      f'{load.num_crystals} crystals make no batch: {batch_size=}, {origins=}, '
      f'{num_epochs=}, {drop_remainder=}.'
    )
  dataset = grain.MapDataset.range(num_batches).map(order).map(load)
  # The default of 16 threads fights the training step for the cores.
  options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
  dataset = dataset.to_iter_dataset(options)
  if workers:
    dataset = dataset.mp_prefetch(
      grain.MultiprocessingOptions(num_workers=workers)
    )
  return iter(dataset)


@dataclasses.dataclass(frozen=True)
class _Order:
  """The examples of every global batch, by the batch's number.

  grain's own shuffle goes example by example, up to 25 times slower.
  """

  examples: int
  batch_size: int
  seed: int | None  # None: in order.
  num_epochs: int | None

  def num_batches(self, drop_remainder: bool) -> int:
    if self.num_epochs is None:
      return sys.maxsize // self.batch_size if self.examples else 0
    whole, rest = divmod(self.examples * self.num_epochs, self.batch_size)
    return whole + (rest > 0 and not drop_remainder)

  def __call__(self, number: int) -> np.ndarray:
    stop = (number + 1) * self.batch_size
    if self.num_epochs is not None:
      stop = min(stop, self.examples * self.num_epochs)
    steps = np.arange(number * self.batch_size, stop)
    epochs, places = np.divmod(steps, self.examples)
    if self.seed is None:
      return places
    parts = [
      self._permutation(epoch)[places[epochs == epoch]]
      for epoch in np.unique(epochs).tolist()
    ]
    return np.concatenate(parts)

  def _permutation(self, epoch: int) -> np.ndarray:
    return _permutation(self.seed, epoch, self.examples)


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, examples: int) -> np.ndarray:
  return np.random.default_rng((seed, epoch)).permutation(examples)


class _Load:
  """Turns the indices of a global batch into this process's part of it."""

  def __init__(self, data, batch_size, num_devices, max_atoms, origins):
    self._arrays = data if isinstance(data, Mapping) else None
    self._source = None if isinstance(data, Mapping) else data
    if self._source is not None and max_atoms is None:
      raise ValueError('A source of records needs max_atoms.')
    if self._arrays is not None:
      names = 'numbers', 'positions', 'cell'
      self._arrays = _resize({n: self._arrays[n] for n in names}, max_atoms)
    self.num_crystals = len(data if self._arrays is None else data['numbers'])
    self._batch_size, self._num_devices = batch_size, num_devices
    self._max_atoms, self._origins = max_atoms, origins
    self.process = 0, 1

  def __call__(self, order: np.ndarray) -> dict[str, np.ndarray]:
    process_index, process_count = self.process
    size = self._batch_size // process_count
    index = np.arange(process_index * size, (process_index + 1) * size)
    mask = index < len(order)
    examples = order[index[mask]]
    rows = examples // self._origins
    batch = self._read(rows) if len(rows) else self._empty()
    batch |= {'row': rows, 'sample': examples % self._origins}
    batch = {name: _fill(value, size) for name, value in batch.items()}
    # A padding crystal gets a cell that can be inverted.
    batch['cell'][~mask] = np.eye(3)
    batch |= {'index': index, 'mask': mask}
    return {name: self._shard(value) for name, value in batch.items()}

  def _read(self, rows):
    if self._arrays is not None:
      return {name: column[rows] for name, column in self._arrays.items()}
    read = [self._source[i] for i in rows]
    stacked = arrays_lib.stack(read, max_atoms=self._max_atoms)
    return {n: stacked[n] for n in ('numbers', 'positions', 'cell')}

  def _empty(self):
    slots = self._max_atoms or self._arrays['numbers'].shape[1]
    return {
      'numbers': np.zeros((0, slots), np.int32),
      'positions': np.zeros((0, slots, 3), np.float32),
      'cell': np.zeros((0, 3, 3), np.float32),
    }

  def _shard(self, value):
    if np.issubdtype(value.dtype, np.integer):
      value = value.astype(np.int32)
    return value.reshape((self._num_devices, -1) + value.shape[1:])


def _resize(columns, max_atoms):
  """Arrays with `max_atoms` slots."""
  slots = columns['numbers'].shape[1]
  if max_atoms is None or max_atoms == slots:
    return columns
  largest = int((columns['numbers'] > 0).sum(1).max(initial=0))
  if largest > max_atoms:
    raise ValueError(f'A crystal has {largest} atoms, more than {max_atoms=}.')
  columns = dict(columns)
  for name in ('numbers', 'positions'):
    column = columns[name][:, :max_atoms]
    spare = max_atoms - column.shape[1]
    widths = [(0, 0), (0, spare)] + [(0, 0)] * (column.ndim - 2)
    columns[name] = np.pad(column, widths)
  return columns


def _fill(value, size):
  """Zeros at the end, up to `size` rows."""
  return np.pad(value, [(0, size - len(value))] + [(0, 0)] * (value.ndim - 1))
