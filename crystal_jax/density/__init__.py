"""Crystal to density: Gaussian atoms, with all their images, on a grid.

`voxelize` is the way in. It has three forms, one for each place where it is the
fastest: `box_density`, `cell_density` and `wave_density`. `images` finds which
copies of which atoms reach a grid, `image_counts` how many they are, `labels`
which species is near a voxel.
"""

from crystal_jax.density.grids import BoxGrid, CellGrid, Grid
from crystal_jax.density.image_counts import count_images
from crystal_jax.density.labels import label_species
from crystal_jax.density.voxelize import voxelize, voxelize_batch

__all__ = [
  'BoxGrid',
  'CellGrid',
  'Grid',
  'count_images',
  'label_species',
  'voxelize',
  'voxelize_batch',
]
