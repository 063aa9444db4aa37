"""3-D crystals to densities, latents and back, in JAX."""

import importlib
from typing import Any

from crystal_jax.codec.codec import Codec, UnmetWarning
from crystal_jax.decoding import DecodedAtoms, decode_batch, decode_density
from crystal_jax.density import (
  BoxGrid,
  CellGrid,
  count_images,
  label_species,
  voxelize,
  voxelize_batch,
)
from crystal_jax.evaluation.samples import SampleScores, score
from crystal_jax.io import read, read_all, write
from crystal_jax.lattice_search import (
  LatticeFit,
  LatticeNotFoundError,
  assemble,
  find_lattice,
)
from crystal_jax.structure.crystal import Crystal

__all__ = [
  'BoxGrid',
  'CellGrid',
  'Codec',
  'Crystal',
  'DecodedAtoms',
  'LatticeFit',
  'LatticeNotFoundError',
  'SampleScores',
  'UnmetWarning',
  'assemble',
  'count_images',
  'decode_batch',
  'decode_density',
  'find_lattice',
  'label_species',
  'read',
  'read_all',
  'score',
  'voxelize',
  'voxelize_batch',
  'write',
]

__version__ = '0.1.0'


def __getattr__(name: str) -> Any:
  """Imports `plots` when it is first used, since it needs matplotlib."""
  if name == 'plots':
    return importlib.import_module('crystal_jax.plots')
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
