"""Worker process of `pool`: calls a function of items within limits.

The parent sends its import path, then the function and the limits, then lists
of items; the worker sends one result per item. A timer kills the process when
one item takes too long, even where no Python code runs.
"""

from __future__ import annotations

import resource
import signal
import sys
from multiprocessing import connection


def main() -> None:
  """Works until the parent closes the pipe."""
  pipe = connection.Connection(int(sys.argv[1]))
  try:
    _serve(pipe)
  except (EOFError, OSError):  # The parent is done, or gone.
    pass


def _serve(pipe: connection.Connection) -> None:
  from crystal_jax.io.reading.pool import Failure, call

  known = set(sys.path)
  sys.path += [path for path in pipe.recv() if path not in known]
  function, options = pipe.recv()
  if options['memory_limit'] is not None:
    _limit_memory(options['memory_limit'])
  pipe.send('started')
  while True:
    for item in pipe.recv():
      signal.setitimer(signal.ITIMER_REAL, options['time_limit'])
      result = call(function, item)
      signal.setitimer(signal.ITIMER_REAL, 0)
      try:
        pipe.send(result)
      except (TypeError, ValueError, AttributeError, MemoryError) as error:
        pipe.send(Failure(f'its result cannot be sent: {error}'))


def _limit_memory(limit: int) -> None:
  """Limits the address space to its present size and `limit` bytes."""
  try:
    with open('/proc/self/statm', encoding='ascii') as file:
      size = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = size + limit
    if hard == resource.RLIM_INFINITY or hard > soft:
      resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
  except (OSError, ValueError):  # A system without /proc or without the limit.
    pass


if __name__ == '__main__':
  main()
