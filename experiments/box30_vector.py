r"""The box through the paper's latent vector of 300 numbers; see `box30.py`.

The vector is a linear map of the 1,000 numbers of `box30.py`, and they one of
the vector. So this training starts from the weights of that one:

  python -m experiments.main --config=experiments/box30_vector.py \
    --workdir=runs/box30_vector --config.data.builder=../shared/data/mp_le20

The shipped codec was then trained for 5,000, 3,000 and 3,300 more steps:

  .. --workdir=runs/box30_vector_long --config.train.steps=5000 \
    --config.train.learning_rate=8e-4 \
    --config.train.start_from=runs/box30_vector
  .. --workdir=runs/box30_vector_longer --config.train.steps=3000 \
    --config.train.learning_rate=7e-4 \
    --config.train.start_from=runs/box30_vector_long
  .. --workdir=runs/box30_vector_longest --config.train.steps=3300 \
    --config.train.learning_rate=6e-4 \
    --config.train.start_from=runs/box30_vector_longer
"""

from experiments import box30


def get_config():
  config = box30.get_config()
  config.model.coded_vae.vector = 300
  config.train.start_from = 'runs/box30'
  config.train.steps = 1_900
  return config
