"""A worker process of `pool`, as its parent sees it; it runs `worker`."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

_COMMAND = (sys.executable, '-m', 'crystal_jax.io.reading.worker')
_ROOT = pathlib.Path(__file__).resolve().parents[3]


class WorkerProcess:
  """One process, and the items that it holds.

  Attributes:
    pipe: Connection to the process.
    pending: Items without a result, with their indices.
  """

  def __init__(self, function: Callable, options: dict[str, Any]):
    self._time_limit = options['time_limit']
    self._started = False
    self.pending: list[tuple[int, Any]] = []
    self._errors = tempfile.TemporaryFile()
    paths = [str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    self.pipe, theirs = multiprocessing.Pipe()
    self._process = subprocess.Popen(
      (*_COMMAND, str(theirs.fileno())),
      stdin=subprocess.DEVNULL,
      stdout=self._errors,
      stderr=self._errors,
      pass_fds=[theirs.fileno()],
      env=os.environ
      | {
        'PYTHONPATH': os.pathsep.join(paths),
        'JAX_PLATFORMS': 'cpu',
        'OMP_NUM_THREADS': '1',
        'OPENBLAS_NUM_THREADS': '1',
      },
      start_new_session=True,  # The parent handles Ctrl-C.
    )
    theirs.close()
    self._send(sys.path)
    self._send((function, options))

  def give(self, items: list[tuple[int, Any]]) -> None:
    """Sends items with their indices."""
    self.pending = list(items)
    if items:
      self._send([item for _, item in items])

  def _send(self, message: Any) -> None:
    try:
      self.pipe.send(message)
    except OSError:  # The process ended; `receive` raises.
      pass

  def receive(self) -> tuple[int, Any]:
    """Index and result of the next item.

    Raises:
      EOFError: If the process ended. OSError: as well.
    """
    if not self._started:
      self.pipe.recv()
      self._started = True
    result = self.pipe.recv()
    return self.pending.pop(0)[0], result

  def reason_of_death(self) -> str:
    """Why the process ended.

    Raises:
      ChildProcessError: If it never started.
    """
    code = self._process.wait()
    if not self._started:
      self._errors.seek(0)
      text = self._errors.read().decode(errors='replace').strip()
      last = text.splitlines()[-1] if text else f'exit status {code}'
      self.close()
      raise ChildProcessError(f'a worker process does not start: {last}')
    self.close()
    if code == -signal.SIGALRM:
      return f'took more than {self._time_limit:g} s'
    how = f'signal {-code}' if code < 0 else f'exit status {code}'
    return f'the process crashed ({how})'

  def close(self) -> None:
    """Ends the process."""
    self._process.kill()
    self._process.wait()
    self.pipe.close()
    self._errors.close()
