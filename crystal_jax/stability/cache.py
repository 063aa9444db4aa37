"""Results by crystal in a file, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from crystal_jax.structure.crystal import Crystal

# Decimals of positions and lattice vectors, Å, that tell crystals apart.
_DECIMALS = 4


class Cache:
  """A file of JSON lines, one for each result; the last of a key counts."""

  def __init__(self, path: str | os.PathLike[str] | None):
    """Reads the file, if there is one.

    Args:
      path: The file; None: results are kept in memory only.
    """
    self._path = None if path is None else pathlib.Path(path)
    self._rows: dict[str, dict[str, Any]] = {}
    if self._path is None or not self._path.exists():
      return
    for line in self._path.read_text('utf-8').splitlines():
      try:
        row = json.loads(line)
        self._rows[row['key']] = row
      except (ValueError, KeyError, TypeError):
        continue  # A run was stopped while it wrote this line.

  def get(self, key: str) -> dict[str, Any] | None:
    """The result of a key; None: there is none."""
    return self._rows.get(key)

  def put(self, key: str, row: dict[str, Any]) -> None:
    """Keeps a result, in the file at once."""
    self._rows[key] = {'key': key, **row}
    if self._path is not None:
      self._path.parent.mkdir(parents=True, exist_ok=True)
      with open(self._path, 'a', encoding='utf-8') as file:
        # A line that was cut short is ended first.
        start = '' if file.tell() == 0 or self._ends() else '\n'
        file.write(start + json.dumps(self._rows[key]) + '\n')

  def _ends(self) -> bool:
    """Whether the file ends with a whole line."""
    assert self._path is not None
    with open(self._path, 'rb') as file:
      file.seek(-1, os.SEEK_END)
      return file.read(1) == b'\n'


def key_of(crystal: Crystal, *settings: Any) -> str:
  """A key of a crystal, as it is written down, and of settings."""
  digest = hashlib.sha256(repr(settings).encode())
  digest.update(np.asarray(crystal.numbers, np.int32).tobytes())
  for array in crystal.positions, crystal.cell:
    rounded = np.round(np.asarray(array, np.float64), _DECIMALS) + 0.0
    digest.update(rounded.tobytes())
  return digest.hexdigest()[:32]
