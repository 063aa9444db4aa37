"""3-D crystals to densities, latents and back, in JAX."""

from crystal_jax.crystal import Crystal
from crystal_jax.grids import BoxGrid, CellGrid

__all__ = [
  'BoxGrid',
  'CellGrid',
  'Crystal',
]

__version__ = '0.1.0'
