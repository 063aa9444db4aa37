"""From crystals on disk to padded batches of atoms for every device.

  data.prepare(['my_cifs/'], 'data/mine')  # once
  crystals = data.load('data/mine', 'train', max_atoms=20)
  for batch in data.batches(crystals, batch_size=64, seed=0):
    ...

Batches hold atoms, never grids: densities are made on the device.
"""

from crystal_jax.data.arrays import Arrays, count_atoms, in_memory, records
from crystal_jax.data.beam import prepare_with_beam
from crystal_jax.data.in_place import load_in_place
from crystal_jax.data.mixing import mix
from crystal_jax.data.pipeline import Share, batches
from crystal_jax.data.preparing import prepare
from crystal_jax.data.selection import load, load_shown, select
from crystal_jax.data.sources import load_split, load_splits, split_names

__all__ = [
  'Arrays',
  'Share',
  'batches',
  'count_atoms',
  'in_memory',
  'load',
  'load_in_place',
  'load_shown',
  'load_split',
  'load_splits',
  'mix',
  'prepare',
  'prepare_with_beam',
  'records',
  'select',
  'split_names',
]
