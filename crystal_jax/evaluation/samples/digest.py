"""A key of a list of crystals, for results that are kept in files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from crystal_jax.structure.crystal import Crystal

# Changes where results of the same crystals change.
_VERSION = 1


def digest(crystals: Sequence[Crystal], *settings: Any) -> str:
  """Changes with the crystals, their order and the settings."""
  found = hashlib.sha256(repr((_VERSION, settings)).encode())
  for crystal in crystals:
    found.update(np.asarray(crystal.numbers, np.int32).tobytes())
    for array in crystal.positions, crystal.cell:
      found.update(np.asarray(array, np.float32).tobytes())
  return found.hexdigest()[:24]
