"""Exclusive locks between processes, by a file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def locked(
  path: str | os.PathLike[str], *, wait: bool = True
) -> Iterator[None]:
  """Holds the exclusive lock of a file, which is created if it is missing.

  Args:
    path: The lock's file.
    wait: Whether to wait for another process that holds the lock.

  Raises:
    BlockingIOError: If another process holds the lock, and `wait` is false.
  """
  mode = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
  with pathlib.Path(path).open('w') as lock:
    fcntl.flock(lock, mode)
    yield
