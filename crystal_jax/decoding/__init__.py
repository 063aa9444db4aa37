"""Density to atoms, without a network."""

from crystal_jax.decoding.decode import (
  DecodedAtoms,
  decode_batch,
  decode_density,
)

__all__ = ['DecodedAtoms', 'decode_batch', 'decode_density']
