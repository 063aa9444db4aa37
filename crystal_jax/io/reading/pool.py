"""Isolated map: a function of many items, in processes with limits.

If a call raises, takes too long, needs too much memory or crashes its process,
only that item fails: a `Failure` takes the place of its result. Worker
processes are started by their own command line, not forked (a fork loses JAX's
threads) and not spawned by multiprocessing (which imports the caller's script).
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from multiprocessing import connection
from typing import Any

import tqdm

from crystal_jax.io.reading.worker_process import WorkerProcess

# Default of `memory_limit` for parsing files, bytes.
MEMORY_LIMIT = 4 << 30
# Items sent to a worker at a time: 10 to 20 ms of parsing.
_BATCH = 16
# Batches per worker that may be ahead of the first missing result.
_AHEAD = 16


@dataclasses.dataclass(frozen=True)
class Failure:
  """Takes the place of the result of an item whose call failed.

  Attributes:
    reason: Why it failed, in a few words.
  """

  reason: str


def isolated_map(
  function: Callable[[Any], Any],
  items: Iterable[Any],
  *,
  workers: int | None = None,
  time_limit: float = 60.0,
  memory_limit: int | None = None,
  batch: int = _BATCH,
  progress: str | None = None,
) -> Generator[Any, None, None]:
  """`function(item)`, or a `Failure`, of each item, in order.

  Args:
    function: A function of a module (it is pickled by its name).
    items: Picklable items, consumed as they are needed. No JAX arrays: they
      would start a device in the worker.
    workers: Processes. None: one per core, but no more than the items are worth
      if their number is known. 0: none; then only exceptions are caught.
    time_limit: Seconds per item.
    memory_limit: Bytes that a worker may allocate; None: no limit.
    batch: Items sent to a worker at a time.
    progress: Text of a progress bar on a terminal. None: no bar.

  Yields:
    The results, in the order of the items. Close the generator to end its
    processes early.

  Raises:
    ChildProcessError: If a worker process does not start.
  """
  if workers is None:
    workers = os.cpu_count() or 1
    if isinstance(items, collections.abc.Sized):
      workers = min(workers, math.ceil(len(items) / (2 * batch)))
  if workers:
    options = {'time_limit': time_limit, 'memory_limit': memory_limit}
    results = _Pool(function, items, workers, batch, options).results()
  else:
    results = (call(function, item) for item in items)
  if progress is None:
    return results
  total = len(items) if isinstance(items, collections.abc.Sized) else None
  bar = tqdm.tqdm(results, desc=progress, total=total, unit='', disable=None)
  return (result for result in bar)


def call(function: Callable[[Any], Any], item: Any) -> Any:
  """`function(item)`, or a `Failure` if it raises an exception."""
  try:
    return function(item)
  except MemoryError:
    return Failure('needs too much memory')
  except Exception as error:
    return Failure(f'raised {type(error).__name__}: {error}')


class _Pool:
  """Workers, the items they hold, and results that wait for their turn."""

  def __init__(
    self,
    function: Callable[[Any], Any],
    items: Iterable[Any],
    workers: int,
    batch: int,
    options: dict[str, Any],
  ):
    self._function, self._options = function, options
    self._items = enumerate(items)
    self._workers, self._batch = workers, batch
    self._returned: collections.deque[list[tuple[int, Any]]] = (
      collections.deque()
    )
    self._running: dict[connection.Connection, WorkerProcess] = {}
    self._results: dict[int, Any] = {}
    self._first = self._sent = 0

  def results(self) -> Generator[Any, None, None]:
    """Results in the order of the items."""
    try:
      while True:
        self._distribute()
        while self._first in self._results:
          result = self._results.pop(self._first)
          self._first += 1
          yield result
        busy = [pipe for pipe, w in self._running.items() if w.pending]
        if busy:
          self._collect(busy)
        elif not self._distribute():
          return
    finally:
      for worker in self._running.values():
        worker.close()

  def _distribute(self) -> bool:
    """Gives items to idle and to new workers; whether any worker is busy."""
    for worker in list(self._running.values()):
      if not worker.pending:
        worker.give(self._next_batch())
    while len(self._running) < self._workers:
      items = self._next_batch()
      if not items:
        break
      worker = WorkerProcess(self._function, self._options)
      self._running[worker.pipe] = worker
      worker.give(items)
    return any(worker.pending for worker in self._running.values())

  def _next_batch(self) -> list[tuple[int, Any]]:
    if self._returned:
      return self._returned.popleft()
    ahead = self._sent - self._first
    if ahead > _AHEAD * self._batch * self._workers:
      return []
    items = list(itertools.islice(self._items, self._batch))
    self._sent += len(items)
    return items

  def _collect(self, busy: Sequence[connection.Connection]) -> None:
    """Takes the results that have come."""
    ready = set(connection.wait(busy))
    for pipe in filter(ready.__contains__, busy):
      worker = self._running[pipe]
      try:
        while True:
          index, result = worker.receive()
          self._results[index] = result
          if not worker.pending or not pipe.poll():
            break
      except (EOFError, OSError):
        del self._running[worker.pipe]
        (index, _), *rest = worker.pending
        self._results[index] = Failure(worker.reason_of_death())
        if rest:
          self._returned.append(rest)
