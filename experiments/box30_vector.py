r"""The box through the paper's vector of 300 numbers; otherwise as `box30.py`.

5³ tokens, narrowed to 32 numbers each, meet in the vector. It goes on from a
training of `box30.py`, whose tokens it keeps:

  python -m experiments.main --config=experiments/box30_vector.py \
    --workdir=runs/box30_vector --config.data.builder=../shared/data/mp_le20
"""

from experiments import box30


def get_config():
  config = box30.get_config()
  config.model.coded_vae.latent = 32  # between the vector and a token
  config.model.coded_vae.vector = 300
  config.train.start_from = 'runs/box30'
  config.train.steps = 2_500
  return config
