"""One item that goes wrong costs one item."""

import os
import signal
import time

import pytest

from crystal_jax.evaluation.isolated import Failure, guarded


def act(item):
  if item == 'raise':
    raise ValueError('no')
  if item == 'crash':
    os.kill(os.getpid(), signal.SIGKILL)
  if item == 'sleep':
    time.sleep(1000)
  return 2 * item


def test_in_this_process():
  assert guarded(act, [1, 'raise', 3], workers=0) == [
    2,
    Failure('raised ValueError: no'),
    6,
  ]


def test_in_processes():
  items = [*range(40), 'raise', 'crash', *range(20), 'sleep', 7]
  results = guarded(act, items, workers=2, time_limit=3)
  assert results == [
    *range(0, 80, 2),
    Failure('raised ValueError: no'),
    Failure('the process crashed'),
    *range(0, 40, 2),
    Failure('took more than 3 s'),
    14,
  ]


def test_nothing_to_do():
  assert guarded(act, []) == []


def test_a_process_that_cannot_start():
  with pytest.raises(RuntimeError, match='did not start'):
    guarded(_Unfit(), [1], workers=1)


class _Unfit:
  """Takes down the process that unpickles it."""

  def __reduce__(self):
    return os._exit, (3,)
