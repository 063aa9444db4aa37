"""Density back to atoms, lattice and crystal, without a network."""

from crystal_jax.decoding.assembly import LatticeNotFoundError, assemble
from crystal_jax.decoding.decode import (
  DecodedAtoms,
  decode_batch,
  decode_density,
)
from crystal_jax.decoding.recover import LatticeFit, find_lattice

__all__ = [
  'DecodedAtoms',
  'LatticeFit',
  'LatticeNotFoundError',
  'assemble',
  'decode_batch',
  'decode_density',
  'find_lattice',
]
