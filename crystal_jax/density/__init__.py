"""Crystal to density: Gaussian atoms, with all their images, on a grid.

`voxelize` chooses the fastest of four forms: `box_density`, `cell_density`,
`wave_density` and `separable_density`. `images` lists the periodic images that
reach a grid, `image_counts` counts them, `labels` gives the species near a
voxel.
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
