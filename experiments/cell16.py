r"""Whole crystals through a latent of 966 numbers: atoms, species, lattice.

Crystals in fractional coordinates on 16³ voxels. Trained on the embedded OQMD
set, or on another one, such as compact files of Materials Project crystals:

  python -m experiments.main --config=experiments/cell16.py \
    --workdir=runs/cell16 --config.data.builder=../shared/data/mp_le20
"""

from experiments import base


def get_config():
  config = base.get_config()
  config.model.representation = 'cell'
  config.data.origins = 1
  config.train.steps = 18_000
  config.train.batch_size = 32
  config.train.warmup_steps = 100
  config.train.weight_decay = 0.0
  config.train.checkpoint_every = 500
  config.train.log_every = 50
  config.train.eval_every = 1000
  return config


def go_on(config, workdir):
  """Continues another training with a smaller weight of the KL."""
  config.train.start_from = workdir
  config.train.learning_rate = 8e-4
  config.train.warmup_steps = 200
  config.train.cell_loss.beta = 5e-5
  return config
