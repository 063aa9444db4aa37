"""One item that goes wrong costs one item."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from crystal_jax.io.reading.pool import Failure, isolated_map

ROOT = pathlib.Path(__file__).resolve().parents[3]


def act(item):
  if item == 'raise':
    raise ValueError('no')
  if item == 'crash':
    os.kill(os.getpid(), signal.SIGKILL)
  if item == 'exit':
    os._exit(7)
  if item == 'sleep':
    time.sleep(1000)
  if item == 'lambda':
    return lambda: None
  if item == 'memory':
    return len(bytearray(1 << 34))
  if item == 'print':
    print('x' * 100_000)
  return 2 * item


def test_in_this_process():
  assert list(isolated_map(act, [1, 'raise', 3], workers=0)) == [
    2,
    Failure('raised ValueError: no'),
    6,
  ]


def test_in_processes():
  items = [
    *range(40), 'raise', 'crash', *range(20), 'sleep', 7, 'exit', 'lambda',
    'memory', 'print', 8,
  ]  # fmt: skip
  results = list(
    isolated_map(
      act, iter(items), workers=2, time_limit=3, memory_limit=1 << 32
    )
  )
  (index,) = [i for i, item in enumerate(items) if item == 'lambda']
  assert 'its result cannot be sent' in results.pop(index).reason
  assert results == [
    *range(0, 80, 2),
    Failure('raised ValueError: no'),
    Failure('the process crashed (signal 9)'),
    *range(0, 40, 2),
    Failure('took more than 3 s'),
    14,
    Failure('the process crashed (exit status 7)'),
    Failure('needs too much memory'),
    'printprint',
    16,
  ]


def test_items_are_taken_as_they_are_needed():
  taken = []
  items = (taken.append(i) or i for i in range(10**9))
  results = isolated_map(act, items, workers=1, batch=4)
  assert [next(results) for _ in range(10)] == list(range(0, 20, 2))
  time.sleep(0.5)
  assert len(taken) < 200
  results.close()
  assert list(isolated_map(act, [])) == []


def test_a_process_that_cannot_start():
  with pytest.raises(ChildProcessError, match='does not start: exit status 3'):
    list(isolated_map(Unfit(), [1], workers=1))


class Unfit:
  """Ends the process that unpickles it."""

  def __reduce__(self):
    return os._exit, (3,)


def test_a_script_needs_no_guard(tmp_path):
  """Workers do not import the script that starts them."""
  script = tmp_path / 'script.py'
  script.write_text(
    'import math\n'
    'from crystal_jax.io.reading.pool import isolated_map\n'
    'print(list(isolated_map(math.sqrt, [4.0, 9.0], workers=1)))\n'
  )
  done = subprocess.run(
    [sys.executable, str(script)],
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    timeout=100,
  )
  assert done.stdout == '[2.0, 3.0]\n', done.stderr
