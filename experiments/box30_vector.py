r"""The box through the paper's vector of 300 numbers; otherwise as `box30.py`.

5³ tokens, narrowed to 32 numbers each, meet in the vector:

  python -m experiments.main --config=experiments/box30_vector.py \
    --workdir=runs/box30_vector
"""

from experiments import box30


def get_config():
  config = box30.get_config()
  config.model.coded_vae.latent = 32  # between the vector and a token
  config.model.coded_vae.vector = 300
  return config
