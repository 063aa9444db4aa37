"""Atomic writing: a file appears complete under its name, or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Path of a temporary file that becomes `path` when the block ends.

      with atomic.replacing('out.cube') as partial:
        partial.write_text(text)

  The temporary file has the name of `path`, so that writers which look at the
  suffix see the same one, and lies in a fresh hidden folder beside it: two runs
  never share it. An old file at `path` stays until the new one is complete; if
  the block raises or writes nothing, it stays for good.

  Args:
    path: File to write.

  Yields:
    The path to write to.

  Raises:
    FileNotFoundError: If the folder of `path` does not exist.
    OSError: If the folder cannot be written to.
  """
  target = pathlib.Path(path)
  if not target.parent.is_dir():
    raise FileNotFoundError(f'{target.parent}: no such folder.')
  # A link keeps pointing to the file that it names.
  target = target.resolve() if target.is_symlink() else target
  with tempfile.TemporaryDirectory(
    prefix='.partial-', dir=target.parent, ignore_cleanup_errors=True
  ) as folder:
    partial = pathlib.Path(folder) / target.name
    yield partial
    if partial.exists():
      os.replace(partial, target)
