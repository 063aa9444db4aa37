"""Failures, residuals and unmet criteria of the last call of a `Codec`."""

from __future__ import annotations

import threading

import numpy as np

from crystal_jax.structure.crystal import Crystal


class LastCall(threading.local):
  """Results of the last call, separate for each thread.

  Attributes:
    failures: Reason of each failure, by index of the input.
    comparison: Residual of each decoded crystal, and whether it is certain;
      None: not yet computed.
    z: Latents that were decoded.
    crystals: The decoded crystals.
    unmet: Criteria that each crystal does not meet, by index of the crystal.
  """

  failures: dict[int, str]
  comparison: tuple[np.ndarray, np.ndarray] | None
  z: np.ndarray
  crystals: list[Crystal | None]
  unmet: dict[int, list[str]]

  def __init__(self):
    self.set({}, None, np.zeros((0, 0)), [])

  def set(self, failures, comparison, z, crystals) -> None:
    """Replaces all results."""
    self.failures, self.comparison = failures, comparison
    self.z, self.crystals = z, crystals
    self.unmet = {}
