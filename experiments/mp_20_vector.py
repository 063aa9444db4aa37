r"""Crystals as one vector of 256 numbers: the shipped codec `mp_20_vector`.

250 numbers are linear in the tokens' numbers of `mp_20`, six are the lattice.
The training starts from the principal components of mp_20's latents:

  python -m crystal_jax.training.vector_start mp_20 runs/vector_start \
    --data=../shared/data/mp_le20_train.npz --size=250
  python -m experiments.main --config=experiments/mp_20_vector.py \
    --workdir=runs/mp_20_vector

An hour on one core; of the shipped weights' 4,800 steps the first 1,750 had the
cosine of a longer training. benchmarks/RESULTS.md has the scores.

The compact files `runs/mp_le20_*.npz` are those of mp_20.py.
"""

from experiments import mp_20


def get_config():
  config = mp_20.get_config()
  config.model.cell_vae.vector = 250
  config.train.start_from = 'runs/vector_start'
  config.train.cell_loss.occupancy = 400.0
  config.train.steps = 4_800
  return config
