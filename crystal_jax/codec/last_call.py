"""Failures, residuals and unmet criteria of the last call of a `Codec`."""

from __future__ import annotations

import threading

import numpy as np

from crystal_jax.structure.crystal import Crystal


class LastCall(threading.local):
  """Results of the last call, separate for each thread."""

  failures: dict[int, str]
  compared: tuple[np.ndarray, np.ndarray] | None
  z: np.ndarray
  crystals: list[Crystal | None]

  def __init__(self):
    self.set({}, None, np.zeros((0, 0)), [])

  def set(self, failures, compared, z, crystals) -> None:
    """Replaces all results."""
    self.failures, self.compared = failures, compared
    self.z, self.crystals = z, crystals
    self.unmet: dict[int, list[str]] = {}
