r"""The prior of `perov_5`: latents of perovskites under compositions.

A rectified flow (residual MLP, 3 million parameters) on the codec's latents of
its own training crystals, nine tenths of the published validation split by
formula, and a small network of compositions. Minutes of a core:

  python -m benchmarks.split_published_val ../shared/data/perov_5_val.npz \
    --out=data
  python -m experiments.main --config=experiments/prior_perov_5.py \
    --workdir=runs/prior_perov_5
  python -m crystal_jax.generation.export runs/prior_perov_5 \
    crystal_jax/weights/perov_5

benchmarks/RESULTS.md has what the shipped prior was trained for and reached.
"""

from crystal_jax.training import first_stage
from experiments import base


def get_config():
  return small_prior('perov_5', 'heat_all')


def small_prior(codec, energy):
  """A prior of a few thousand crystals of a shipped codec.

  Args:
    codec: Name of the codec, and of the data set.
    energy: Column of energies, which can be asked for.
  """
  config = base.get_config()
  config.model.representation = 'prior'
  first_stage.freeze(config, codec, cache='runs/latents')
  config.model.prior.properties = (energy,)
  config.model.prior.width = 256
  config.model.prior.blocks = 4
  config.model.prior.composition_width = 64
  config.data.builder = f'data/{codec}'
  config.data.origins = 1
  config.train.steps = 1_200
  config.train.prior_loss.drop.other = 0.5
  config.train.batch_size = 256
  config.train.learning_rate = 2e-3
  config.train.warmup_steps = 100
  config.train.weight_decay = 0.05
  config.train.log_every = 50
  config.train.eval_every = 250
  config.train.checkpoint_every = 250
  config.train.keep = 8  # by novelty; see docs/draw.md
  return config
