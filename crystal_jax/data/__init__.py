"""Data sets of crystals, from files to padded batches of every device.

  data.prepare(['my_cifs/'], 'data/mine')  # once
  crystals = data.load('data/mine', 'train', max_atoms=20)
  for batch in data.batches(crystals, batch_size=64, seed=0):
    ...

Batches hold atoms, never grids: densities are computed on the device.

Scalars such as 'band_gap' or 'formation_energy_per_atom' are columns beside the
atoms, float32 with NaN where missing. They come from the files themselves, from
`prepare(properties=)`, which joins a CSV or npz by id, or from a compact file's
own arrays; `add_scalars` joins arrays to a compact file by its order:

  columns = np.load('mp_le20_energy.npz')
  data.add_scalars(
    'mp_le20_train.npz', 'mine_train.npz',
    {'formation_energy_per_atom': columns['formation_train']},
  )

`load` returns all scalars. `load_inputs` and `load_in_place`, whose `prepare`
turns crystals into training inputs, keep the scalars named by `columns`:

  inputs, dropped = data.load_inputs(
    'mine', 'train', representation.prepare, columns=('band_gap',), max_atoms=20
  )
  next(data.batches(inputs, batch_size=64, seed=0))['band_gap']  # [D, b]
"""

from crystal_jax.data.arrays import Arrays, count_atoms, in_memory, records
from crystal_jax.data.beam import prepare_with_beam
from crystal_jax.data.memory_map import load_in_place
from crystal_jax.data.mixing import mix
from crystal_jax.data.pipeline import Share, batches
from crystal_jax.data.preparation import prepare
from crystal_jax.data.sampling_weights import size_weights
from crystal_jax.data.selection import load, load_inputs, select
from crystal_jax.data.sources import load_split, load_splits, split_names
from crystal_jax.io.reading.compact import add_scalars

__all__ = [
  'Arrays',
  'Share',
  'add_scalars',
  'batches',
  'count_atoms',
  'in_memory',
  'load',
  'load_in_place',
  'load_inputs',
  'load_split',
  'load_splits',
  'mix',
  'prepare',
  'prepare_with_beam',
  'records',
  'select',
  'size_weights',
  'split_names',
]
