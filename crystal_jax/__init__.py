"""3-D crystals to densities, latents and back, in JAX."""

from crystal_jax.crystal import Crystal
from crystal_jax.decoding import (
  DecodedAtoms,
  LatticeFit,
  LatticeNotFoundError,
  assemble,
  decode_batch,
  decode_density,
  find_lattice,
)
from crystal_jax.grids import BoxGrid, CellGrid
from crystal_jax.io import read, read_all, write
from crystal_jax.labels import label_species
from crystal_jax.voxelize import count_images, voxelize, voxelize_batch

__all__ = [
  'BoxGrid',
  'CellGrid',
  'Crystal',
  'DecodedAtoms',
  'LatticeFit',
  'LatticeNotFoundError',
  'assemble',
  'count_images',
  'decode_batch',
  'decode_density',
  'find_lattice',
  'label_species',
  'read',
  'read_all',
  'voxelize',
  'voxelize_batch',
  'write',
]

__version__ = '0.1.0'
