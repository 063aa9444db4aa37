"""Padded, sharded and shuffled batches, from a grain pipeline.

All processes compute the same shuffled order, and so the same global batches;
process p of P loads slice p of each. One device, two devices and two processes
see the same global batches. Each epoch has its own order, by seed and epoch.
Batches continue over the ends of epochs: only the last batch of the last epoch
is partial.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crystal_jax.data import arrays as arrays_lib
from crystal_jax.data.example_order import ExampleOrder
from crystal_jax.data.sampling_weights import cumulative_weights

if TYPE_CHECKING:  # Only training needs it at run time.
  import grain


@dataclasses.dataclass(frozen=True)
class Share:
  """The slice of each global batch that a process loads.

  Attributes:
    num_devices: Devices of this process.
    process_index: Index of this process.
    process_count: Number of processes, with `num_devices` devices each.
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
  sampling: np.ndarray | None = None,
  share: Share = Share(),  # noqa: B008
  workers: int = 0,
) -> grain.DatasetIterator:
  """Iterator over the batches of one process.

  Args:
    data: Padded arrays, as returned by `in_memory`, or a source of records.
    batch_size: Examples in a global batch.
    seed: Seed of the order; None: no shuffling.
    num_epochs: Number of epochs; None: endless. Empty crystals, marked by
      `mask`, pad a partial last batch.
    origins: Samples of a crystal per epoch, each at another origin.
    max_atoms: Slots of each crystal. Required for a source; for arrays, empty
      slots are removed or added.
    sampling: Weight of each crystal, [M]; examples are sampled with replacement
      by these weights, see `size_weights`. None: every crystal once per epoch.
    share: The slice of each batch that this process loads.
    workers: Processes that prefetch; 0: threads, best for arrays.

  Returns:
    A grain iterator over dicts, D = num_devices, b examples a device: numbers
    [D, b, N] int32, positions [D, b, N, 3] float32 in Å, cell [D, b, 3, 3]
    float32 in Å, and all other columns of numbers in `data`; index [D, b]
    int32, the example's index in the global batch; row [D, b] int32, its row in
    `data`; sample [D, b] int32, the index of the sample among `origins`; mask
    [D, b] bool, false for padding. `get_state()` returns the position as a dict
    for JSON; `set_state` restores it.

  Raises:
    ValueError: If the batch does not divide among the devices, there are no
      crystals, or `sampling` is not one weight >= 0 per crystal.
  """
  share.check(batch_size)
  load = _Load(data, batch_size, max_atoms, origins, share)
  if not load.num_crystals:
    raise ValueError('There are no crystals to make batches of.')
  cumulative = cumulative_weights(sampling, load.num_crystals, origins, seed)
  order = ExampleOrder(
    load.num_crystals * origins, batch_size, seed, num_epochs, cumulative
  )
  import grain

  dataset = grain.MapDataset.range(order.num_batches).map(order).map(load)
  # grain's default of 16 threads slows the training step.
  options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
  dataset = dataset.to_iter_dataset(options)
  if workers:
    dataset = dataset.mp_prefetch(
      grain.MultiprocessingOptions(num_workers=workers)
    )
  return iter(dataset)


class _Load:
  """Loads this process's slice of a global batch."""

  def __init__(self, data, batch_size, max_atoms, origins, share):
    self._arrays = data if isinstance(data, Mapping) else None
    self._source = None if isinstance(data, Mapping) else data
    if self._source is not None and max_atoms is None:
      raise ValueError('A source of records needs max_atoms.')
    if self._arrays is not None:
      numeric = {n: c for n, c in data.items() if c.dtype.kind in 'biuf'}
      self._arrays = _resize(numeric, max_atoms)
    # All columns have one length; atoms need not be among them.
    self.num_crystals = len(
      data if self._arrays is None else next(iter(self._arrays.values()))
    )
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
    if 'cell' in batch:  # Padding crystals get an invertible one.
      batch['cell'][~mask] = np.eye(3)
    batch |= {'index': index, 'mask': mask}
    return {name: self._shard(value) for name, value in batch.items()}

  def _read(self, rows):
    if self._arrays is not None:
      return {name: column[rows] for name, column in self._arrays.items()}
    # A batch of padding alone has the columns of any crystal.
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
  """Columns with `max_atoms` slots."""
  if max_atoms is None or max_atoms == columns['numbers'].shape[1]:
    return columns
  largest = int((columns['numbers'] > 0).sum(1).max(initial=0))
  if largest > max_atoms:
    raise ValueError(f'A crystal has {largest} atoms, more than {max_atoms=}.')
  columns = dict(columns)
  for name in ('numbers', 'positions'):
    column = columns[name][:, :max_atoms]
    num_padding = max_atoms - column.shape[1]
    widths = [(0, 0), (0, num_padding)] + [(0, 0)] * (column.ndim - 2)
    columns[name] = np.pad(column, widths)
  return columns


def _fill(value, size):
  """Pads with zeros up to `size` rows."""
  return np.pad(value, [(0, size - len(value))] + [(0, 0)] * (value.ndim - 1))
