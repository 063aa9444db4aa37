"""Whether what was decoded is a crystal that could be read again."""

from __future__ import annotations

import numpy as np

from crystal_jax import io
from crystal_jax.crystal import Crystal

# Å; lattice vectors of crystals lie well within.
_LENGTHS = 0.5, 1000.0


def checked(crystal: Crystal) -> Crystal | str:
  """The crystal, or what is wrong with it: atoms that touch, an absurd cell."""
  lengths = np.linalg.norm(crystal.cell, axis=1)
  if not ((_LENGTHS[0] < lengths) & (lengths < _LENGTHS[1])).all():
    return f'the decoded lattice vectors are {np.round(lengths, 3)} Å long'
  try:
    return io.check(crystal.to_ase())
  except ValueError as error:
    return f'the decoded crystal is none: {error}'
