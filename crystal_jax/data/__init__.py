"""From a data set on disk to padded batches of atoms for every device.

  source = data.load_split('datasets/oqmd_icsd20', 'train')
  crystals = data.in_memory(source, max_atoms=20)
  for batch in data.batches(crystals, batch_size=64, seed=0):
    ...

Batches hold atoms, never grids: densities are made on the device.
"""

from crystal_jax.data.arrays import Arrays, in_memory, records
from crystal_jax.data.pipeline import Share, batches
from crystal_jax.data.preparing import prepare
from crystal_jax.data.sources import load_split

__all__ = [
  'Arrays',
  'Share',
  'batches',
  'in_memory',
  'load_split',
  'prepare',
  'records',
]
