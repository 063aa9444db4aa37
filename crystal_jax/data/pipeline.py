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


@dataclasses.dataclass(frozen=True)
class Share:
  """Which part of every global batch a process loads.

  Attributes:
    num_devices: Devices of this process.
    process_index: This process.
    process_count: All processes; each must have as many devices.
  """

  num_devices: int = 1
  process_index: int = 0
  process_count: int = 1

  def check(self, batch_size: int) -> None:
    """Raises a ValueError if a batch does not divide among the devices."""
    devices = self.num_devices * self.process_count
    if batch_size < 1 or batch_size % devices:
      raise ValueError(
        f'{batch_size=} does not divide among num_devices={self.num_devices} '
        f'in each of process_count={self.process_count} processes.'
      )
    if not 0 <= self.process_index < self.process_count:
      raise ValueError(
        f'Need 0 <= process_index={self.process_index} < '
        f'process_count={self.process_count}.'
      )


def batches(
  data: Mapping[str, np.ndarray] | Sequence[Mapping[str, Any]],
  *,
  batch_size: int,
  seed: int | None,
  num_epochs: int | None = None,
  origins: int = 1,
  max_atoms: int | None = None,
  share: Share = Share(),  # noqa: B008
  workers: int = 0,
) -> grain.DatasetIterator:
  """Iterates over batches of one process.

  Args:
    data: Padded arrays as `in_memory` returns them, or a source of records.
    batch_size: Examples in a global batch.
    seed: Seed of the order; None: in order.
    num_epochs: Epochs; None: without end. A partial last batch is padded with
      empty crystals that `mask` marks.
    origins: Samples of a crystal in an epoch, each at another origin.
    max_atoms: Slots a crystal. Needed for a source; for arrays it may cut empty
      slots or add some.
    share: The part of each batch that this process loads.
    workers: Processes that load ahead; 0: threads, which is right for arrays.

  Returns:
    A grain iterator over dicts, D = num_devices, b examples a device: numbers
    [D, b, N] int32, positions [D, b, N, 3] float32 in Å, cell [D, b, 3, 3]
    float32 in Å, and whatever other columns of numbers the arrays have; index
    [D, b] int32, the example's index in the global batch; row [D, b] int32, its
    row in `data`; sample [D, b] int32, which of its `origins` samples; mask
    [D, b] bool, false for padding. Its position
    is `get_state()`, a dict that JSON can hold; `set_state` goes on exactly
    there.

  Raises:
    ValueError: If the batch does not divide among the devices, or there are no
      crystals.
  """
  share.check(batch_size)
  load = _Load(data, batch_size, max_atoms, origins, share)
  if not load.num_crystals:
    raise ValueError('There are no crystals to make batches of.')
  order = _Order(load.num_crystals * origins, batch_size, seed, num_epochs)
  dataset = grain.MapDataset.range(order.num_batches).map(order).map(load)
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

  @property
  def num_batches(self) -> int:
    if self.num_epochs is None:
      return sys.maxsize // self.batch_size
    return -(-self.examples * self.num_epochs // self.batch_size)

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

  def __init__(self, data, batch_size, max_atoms, origins, share):
    self._arrays = data if isinstance(data, Mapping) else None
    self._source = None if isinstance(data, Mapping) else data
    if self._source is not None and max_atoms is None:
      raise ValueError('A source of records needs max_atoms.')
    if self._arrays is not None:
      numeric = {n: c for n, c in data.items() if c.dtype.kind in 'biuf'}
      self._arrays = _resize(numeric, max_atoms)
    self.num_crystals = len(data if self._arrays is None else data['numbers'])
    self._size = batch_size // share.process_count
    self._max_atoms, self._origins = max_atoms, origins
    self._share = share

  def __call__(self, order: np.ndarray) -> dict[str, np.ndarray]:
    size, process = self._size, self._share.process_index
    index = np.arange(process * size, (process + 1) * size)
    mask = index < len(order)
    examples = order[index[mask]]
    rows = examples // self._origins
    batch = self._read(rows)
    batch |= {'row': rows, 'sample': examples % self._origins}
    batch = {name: _fill(value, size) for name, value in batch.items()}
    # A padding crystal gets a cell that can be inverted.
    batch['cell'][~mask] = np.eye(3)
    batch |= {'index': index, 'mask': mask}
    return {name: self._shard(value) for name, value in batch.items()}

  def _read(self, rows):
    if self._arrays is not None:
      return {name: column[rows] for name, column in self._arrays.items()}
    # A process may get only padding: that has the columns of any crystal.
    read = [self._source[i] for i in (rows if len(rows) else [0])]
    stacked = arrays_lib.stack(read, max_atoms=self._max_atoms)
    return {
      name: column[: len(rows)]
      for name, column in stacked.items()
      if column.dtype.kind in 'biuf'
    }

  def _shard(self, value):
    if np.issubdtype(value.dtype, np.integer):
      value = value.astype(np.int32)
    return value.reshape((self._share.num_devices, -1) + value.shape[1:])


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
