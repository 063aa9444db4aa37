"""Locks between processes."""

import pytest

from crystal_jax.io.file_lock import locked


def test_a_lock_is_held_once(tmp_path):
  path = tmp_path / 'lock'
  with locked(path):
    with pytest.raises(BlockingIOError), locked(path, wait=False):
      pass
  with locked(path, wait=False):
    pass
