r"""The prior of `mp_20`: latents under compositions and other conditions.

A rectified flow (residual MLP, 20 million parameters) on the codec's latents of
its own 42,373 crystals and of the other crystals of up to 20 atoms that
`universal` is trained on, and a small network of compositions. Formation
energies are CHGNet's, of crystals as they are; `data.add_scalars` puts them
beside the compact files first:

  python -c "import numpy as np; from crystal_jax import data
  of = np.load('../shared/data/mp_le20_energy.npz')
  for split in 'train', 'val':
    data.add_scalars(f'../shared/data/mp_le20_{split}.npz',
      f'runs/mp_le20_energies_{split}.npz',
      {'formation_energy_per_atom': of[f'formation_{split}']})"
  python -m experiments.main --config=experiments/prior_mp_20.py \
    --workdir=runs/prior_mp_20
  python -m crystal_jax.generation.export runs/prior_mp_20 \
    crystal_jax/weights/mp_20

The network of compositions is then trained further, alone:

  python -m crystal_jax.generation.fit_compositions crystal_jax/weights/mp_20 \
    --train=runs/mp_le20_energies_train.npz \
    --heldout=../shared/data/mp_le20_val.npz

The shipped velocity was trained further from that prior, until its lattices
began to be overfitted (step 7,000); the network of compositions is that of the
commands above:

  .. --workdir=runs/prior_mp_20_further --config.train.steps=9000 \
    --config.train.learning_rate=8e-4 --config.train.checkpoint_every=1000 \
    --config.train.keep=20 --config.train.start_from=crystal_jax/weights/mp_20

benchmarks/RESULTS.md has what the shipped prior was trained for and reached.
"""

from crystal_jax.training import first_stage
from experiments import base


def get_config():
  config = base.get_config()
  config.model.representation = 'prior'
  first_stage.freeze(config, 'mp_20', cache='runs/latents')
  config.model.prior.columns = 'spacegroup_number', 'icsd'
  config.model.prior.properties = ('formation_energy_per_atom',)
  config.model.prior.operands = 'bfloat16'  # three times as fast with AMX
  config.data.builder = 'runs/mp_le20_energies,../shared/data/universal'
  config.data.origins = 1
  config.train.steps = 6800
  config.train.prior_loss.drop.space_group = 0.9
  config.train.prior_loss.drop.other = 0.85
  config.train.batch_size = 256
  config.train.learning_rate = 1e-3
  config.train.warmup_steps = 200
  config.train.weight_decay = 0.01
  config.train.log_every = 20
  config.train.eval_every = 250
  config.train.checkpoint_every = 250
  config.train.keep = 4  # by novelty; see docs/draw.md
  return config
