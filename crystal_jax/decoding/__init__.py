"""Density to atoms, without a neural network.

The decoder was tuned on crystals of mp_le20, mostly on exact densities, and is
reported on mp_20_part_val (benchmarks/RESULTS.md).
"""

from crystal_jax.decoding.decode import (
  DecodedAtoms,
  decode_batch,
  decode_density,
)

__all__ = ['DecodedAtoms', 'decode_batch', 'decode_density']
