"""Parts of a memory-mapped file: the inputs of consecutive crystals.

Each part is a file of its own until all are joined, so that an interrupted run
continues at the first missing part.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import multiprocessing
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crystal_jax.data.arrays import Arrays, stack
from crystal_jax.data.selection import (
  Dropped,
  Prepare,
  filter_crystals,
  prepare_inputs,
)
from crystal_jax.data.sources import load_split
from crystal_jax.io import atomic


@dataclasses.dataclass(frozen=True)
class Part:
  """Consecutive crystals of one data set, and the file of their inputs.

  Attributes:
    source: Arguments of `load_split`.
    start: First crystal.
    stop: One past the last crystal.
    folder: Folder of the file.
    prepare: Function from crystals to inputs.
    columns: Scalars that are kept.
    rules: Arguments of `filter_crystals`.
    set_index: Index of the data set.
  """

  source: tuple[Any, ...]
  start: int
  stop: int
  folder: pathlib.Path
  prepare: Prepare
  columns: tuple[str, ...]
  rules: dict[str, Any]
  set_index: int

  @property
  def path(self) -> pathlib.Path:
    """The file of this part."""
    return self.folder / f'{self.set_index}_{self.start}.npz'

  def write(self) -> None:
    """Writes the file atomically, unless it exists."""
    if self.path.exists():
      return
    source = _source(*self.source)
    raw = stack([source[i] for i in range(self.start, self.stop)])
    arrays, left_out = filter_crystals(raw, **self.rules)
    dropped: Dropped = []
    if len(arrays['numbers']):
      arrays, dropped = prepare_inputs(arrays, self.prepare, self.columns)
    inputs = {name: c for name, c in arrays.items() if name != 'row'}
    with atomic.replacing(self.path) as partial, partial.open('wb') as file:
      np.savez(
        file,
        count=len(arrays['numbers']),
        text=json.dumps({'left_out': left_out, 'dropped': dropped}),
        records=_records(inputs) if len(arrays['numbers']) else 0,
      )

  def read(self, name: str) -> np.ndarray:
    """An array of the file, by name."""
    with np.load(self.path, allow_pickle=False) as file:
      return file[name]


@functools.lru_cache(maxsize=4)
def _source(*arguments):
  return load_split(*arguments)


def _records(columns: Arrays) -> np.ndarray:
  """Columns to one structured array."""
  kind = [(name, c.dtype, c.shape[1:]) for name, c in columns.items()]
  records = np.empty(len(columns['numbers']), kind)
  for name, column in columns.items():
    records[name] = column
  return records


def write_parts(parts: Sequence[Part], workers: int) -> None:
  """Writes the missing parts.

  Args:
    parts: The parts of one memory-mapped file.
    workers: Number of worker processes; 0: this process writes.
  """
  import tqdm

  if not parts:
    return
  parts[0].folder.mkdir(exist_ok=True)
  with contextlib.ExitStack() as stack_:
    done: Iterator[None] = map(Part.write, parts)
    if workers > 1 and len(parts) > 1:
      pool = concurrent.futures.ProcessPoolExecutor(
        # A forked process would lose JAX's threads.
        min(workers, len(parts)),
        multiprocessing.get_context('spawn'),
        _use_cpu,
      )
      done = stack_.enter_context(pool).map(Part.write, parts)
    for _ in tqdm.tqdm(done, total=len(parts), unit=' parts', disable=None):
      pass


def _use_cpu() -> None:
  """Leaves the accelerators to the training process."""
  import jax

  jax.config.update('jax_platforms', 'cpu')
