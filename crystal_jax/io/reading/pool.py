"""Worker processes that read chunks of items, and outlive any of them.

They are started by their own command line, not forked: JAX has threads. A
worker that dies names its culprit; another one reads the chunk without it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence

from crystal_jax.io.reading import worker
from crystal_jax.io.reading.items import Item

_COMMAND = (sys.executable, '-m', 'crystal_jax.io.reading.worker')


@dataclasses.dataclass(frozen=True)
class Task:
  """A chunk to read.

  Attributes:
    items: What is in it.
    target: The file that it becomes.
  """

  items: Sequence[Item]
  target: pathlib.Path


def read(
  tasks: Iterable[Task],
  *,
  workers: int,
  time_limit: float,
  max_atoms: int,
  progress: Callable[[Task], bool],
) -> None:
  """Reads every task's items into its target.

  Args:
    tasks: The work; taken as it is needed.
    workers: Processes; 0: this one does it, without a time limit.
    time_limit: Seconds that one item may take.
    max_atoms: Crystals with more atoms are skipped.
    progress: Called after each task; says whether to go on.

  Raises:
    OSError: If a target cannot be written, or a worker cannot work at all
      (ChildProcessError).
  """
  if not workers:
    for task in tasks:
      _read_here(task, max_atoms)
      if not progress(task):
        return
    return
  waiting, done = queue.Queue(maxsize=2 * workers), queue.Queue()
  options = {'time_limit': time_limit, 'max_atoms': max_atoms}
  threads = [
    threading.Thread(target=_feed, args=(waiting, done, options), daemon=True)
    for _ in range(workers)
  ]
  for thread in threads:
    thread.start()
  try:
    open_tasks, going = 0, True
    for task in tasks:
      waiting.put(task)
      open_tasks += 1
      while going and not done.empty():
        open_tasks, going = open_tasks - 1, _finish(done.get(), progress)
      if not going:
        return
    while open_tasks and going:
      open_tasks, going = open_tasks - 1, _finish(done.get(), progress)
  finally:
    _drain(waiting)
    for _ in threads:
      waiting.put(None)
    for thread in threads:
      thread.join()


def _read_here(task: Task, max_atoms: int) -> None:
  worker.read(
    task.items,
    task.target,
    max_atoms=max_atoms,
    culprits={},
    begin=lambda number: None,
    end=lambda: None,
  )


def _finish(result: Task | BaseException, progress) -> bool:
  if isinstance(result, BaseException):
    raise result
  return progress(result)


def _drain(waiting: queue.Queue) -> None:
  while True:
    try:
      waiting.get_nowait()
    except queue.Empty:
      return


def _feed(waiting: queue.Queue, done: queue.Queue, options: dict) -> None:
  """Keeps one worker busy; a thread."""
  process = None
  try:
    while (task := waiting.get()) is not None:
      culprits = {}
      finished = False
      while not finished:
        process = process or _Worker()
        finished = process.do(task, culprits, options)
        if not finished:
          process.close()
          process = None
      done.put(task)
  except BaseException as error:
    done.put(error)
    while waiting.get() is not None:  # Whoever puts must not wait for ever.
      pass
  finally:
    if process:
      process.close()


class _Worker:
  """One process."""

  def __init__(self):
    root = str(pathlib.Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get('PYTHONPATH')])]
    self._errors = tempfile.TemporaryFile()
    self._process = subprocess.Popen(
      _COMMAND,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=self._errors,
      text=True,
      env=os.environ
      | {
        'PYTHONPATH': os.pathsep.join(paths),
        'JAX_PLATFORMS': 'cpu',
        'OMP_NUM_THREADS': '1',
        'OPENBLAS_NUM_THREADS': '1',
      },
      start_new_session=True,  # Ctrl-C is the parent's business.
    )

  def do(self, task: Task, culprits: dict[int, str], options: dict) -> bool:
    """Whether the task got done; if not, the culprit is noted."""
    message = options | {
      'items': [vars(item) for item in task.items],
      'target': str(task.target),
      'culprits': culprits,
    }
    last = ''
    try:
      self._process.stdin.write(f'{json.dumps(message)}\n')
      self._process.stdin.flush()
      for line in self._process.stdout:
        last = line.strip()
        if last == 'done':
          return True
    except BrokenPipeError:
      pass
    code = self._process.wait()
    if last.isdigit() and code < 0:
      limit = options['time_limit']
      took = f'took more than {limit:g} s'
      crashed = f'the parser crashed (signal {-code})'
      culprits[int(last)] = took if code == -signal.SIGALRM else crashed
      return False
    self._errors.seek(0)
    said = self._errors.read().decode(errors='replace').strip()
    said = said.splitlines()[-1] if said else f'exit status {code}'
    if 'OSError' in said:
      raise OSError(said.split('OSError: ')[-1])
    raise ChildProcessError(f'a reading process failed: {said}')

  def close(self) -> None:
    """Ends the process."""
    self._process.kill()
    self._process.wait()
    for stream in self._process.stdin, self._process.stdout, self._errors:
      try:
        stream.close()
      except BrokenPipeError:
        pass
