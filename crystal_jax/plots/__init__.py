"""Figures of densities, atoms, distances, species and latents.

Every function takes arrays and returns a matplotlib Figure of its own; nothing
is drawn on a screen, and pyplot's global state is untouched. `cj.plots` is
imported when it is first used:

  figure = cj.plots.latent_map(codec.encode(crystals), energies, label='eV')
  figure.savefig('map.png')
"""

try:
  import matplotlib  # noqa: F401
except ModuleNotFoundError as _error:
  raise ModuleNotFoundError(
    "crystal_jax.plots needs matplotlib: pip install 'crystal_jax[plots]'.",
    name='matplotlib',
  ) from _error

from crystal_jax.plots.agreement import nearest_atoms, species_confusion
from crystal_jax.plots.decoded_atoms import decoded_atoms
from crystal_jax.plots.drawing import to_data_uri
from crystal_jax.plots.fields import densities, occupancy_row, species_maps
from crystal_jax.plots.latent_maps import latent_map, project
from crystal_jax.plots.learning_curves import curves
from crystal_jax.plots.scatter_plots import Panel, scatter
from crystal_jax.plots.scenes import Scene, atoms

__all__ = [
  'Panel',
  'Scene',
  'atoms',
  'curves',
  'decoded_atoms',
  'densities',
  'latent_map',
  'nearest_atoms',
  'occupancy_row',
  'project',
  'scatter',
  'species_confusion',
  'species_maps',
  'to_data_uri',
]
