"""A function of many items, in processes, of which none can stop the rest.

A call that raises, takes too long or takes its process down costs that one
item: it comes back as a `Failure`, and a fresh process goes on after it.
Processes are spawned, not forked: JAX has threads, which a fork would lose.
"""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import connection
from typing import Any

import tqdm

# Items that a process is given at a time.
_CHUNK = 16
# Seconds that a process may take to start on a busy machine.
_START_LIMIT = 300.0
# How the reason begins where the process lives on.
_RAISED = 'raised '


@dataclasses.dataclass(frozen=True)
class Failure:
  """What stands in the place of a result.

  Attributes:
    reason: What happened, a few words.
  """

  reason: str


def guarded(
  function: Callable[[Any], Any],
  items: Sequence[Any],
  *,
  workers: int | None = None,
  time_limit: float = 60.0,
  progress: str = '',
) -> list[Any | Failure]:
  """`function(item)` of each item, or why there is none.

  Args:
    function: Of a module, so that another process finds it.
    items: Whatever pickles. No JAX arrays: they would start a device there.
    workers: Processes. None: a core each, but no more than are worth their
      start. 0: in this process, where only what raises is caught.
    time_limit: Seconds that one call may take.
    progress: Title of a progress bar; empty: none.

  Returns:
    A result or a `Failure` each, in the order of the items.

  Raises:
    RuntimeError: If a process cannot even start.
  """
  if workers is None:
    worth = math.ceil(len(items) / (2 * _CHUNK))
    workers = min(os.cpu_count() or 1, worth)
  results = [None] * len(items)
  with tqdm.tqdm(
    total=len(items), desc=progress, unit='', disable=not progress
  ) as bar:
    if workers:
      numbered = _in_processes(function, items, workers, time_limit)
    else:
      numbered = ((i, _call(function, item)) for i, item in enumerate(items))
    for i, result in numbered:
      results[i] = result
      bar.update()
  return results


def _in_processes(function, items, workers, time_limit) -> Iterable:
  """Numbers of items and their results, as they come."""
  waiting = [
    list(range(start, min(start + _CHUNK, len(items))))
    for start in range(0, len(items), _CHUNK)
  ]
  waiting.reverse()  # Taken from the end.
  running = {}

  def start(chunk):
    worker = _Worker(function, items, chunk, time_limit)
    running[worker.pipe] = worker

  try:
    while waiting or running:
      while waiting and len(running) < workers:
        start(waiting.pop())
      ready = connection.wait(list(running), timeout=_patience(running))
      for pipe in ready:
        worker = running[pipe]
        try:
          result = worker.receive()
        except (EOFError, OSError):
          result = Failure('the process crashed')
        yield from worker.note(result)
      for pipe, worker in list(running.items()):
        if worker.deadline < time.monotonic():
          yield from worker.note(Failure(f'took more than {time_limit:g} s'))
        if worker.lost:
          running.pop(pipe).close()
          if worker.chunk:
            waiting.append(worker.chunk)
        elif not worker.chunk and waiting:
          worker.give(waiting.pop())
        elif not worker.chunk:
          running.pop(pipe).close()
  finally:
    for worker in running.values():
      worker.close()


def _patience(running) -> float:
  """Seconds until the first of the workers has taken too long."""
  first = min(worker.deadline for worker in running.values())
  return max(0.0, first - time.monotonic())


class _Worker:
  """One process, and what it has still to do."""

  def __init__(self, function, items, chunk, time_limit):
    self._items, self._time_limit = items, time_limit
    context = multiprocessing.get_context('spawn')
    self.pipe, theirs = context.Pipe()
    self._process = context.Process(
      target=_serve, args=(function, theirs), daemon=True
    )
    self._process.start()
    theirs.close()
    self.lost = self._started = False
    self.give(chunk)
    # Starting it is not the item's time.
    self.deadline = time.monotonic() + _START_LIMIT

  def give(self, chunk) -> None:
    """Numbers of the items to do next."""
    self.chunk = chunk
    try:
      self.pipe.send([self._items[i] for i in chunk])
    except OSError:  # It is gone, as the next look will tell.
      pass
    self.deadline = time.monotonic() + self._time_limit

  def receive(self):
    """A result; None: it has started."""
    return self.pipe.recv()

  def note(self, result) -> Iterable:
    """Takes a result down; yields it with its item's number."""
    self.deadline = time.monotonic() + self._time_limit
    if result is None:
      self._started = True
      return
    if isinstance(result, Failure) and not result.reason.startswith(_RAISED):
      self.lost = True
      if not self._started:
        raise RuntimeError(
          'A process for the comparison did not start. A script that starts '
          "some needs `if __name__ == '__main__':`; or set workers=0."
        )
    yield self.chunk.pop(0), result

  def close(self) -> None:
    """Ends the process."""
    self._process.kill()
    self._process.join()
    self.pipe.close()


def _serve(function, pipe) -> None:
  """The other process: a chunk in, a result an item out."""
  pipe.send(None)
  try:
    while True:
      for item in pipe.recv():
        pipe.send(_call(function, item))
  except (EOFError, OSError):  # The parent is gone, or done.
    pass


def _call(function, item):
  try:
    return function(item)
  except Exception as error:  # Whatever it is, it is one item's failure.
    return Failure(f'{_RAISED}{type(error).__name__}: {error}')
