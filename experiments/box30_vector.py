r"""The box through the paper's vector of 300 numbers; otherwise as `box30.py`.

The 1,000 numbers of `box30.py` meet in the vector, which is linear in them and
they in it. So it goes on from a training of that:

  python -m experiments.main --config=experiments/box30_vector.py \
    --workdir=runs/box30_vector --config.data.builder=../shared/data/mp_le20

The shipped one then went on from itself for 5,000 steps more:

  .. --workdir=runs/box30_vector_long --config.train.steps=5000 \
    --config.train.learning_rate=8e-4 \
    --config.train.start_from=runs/box30_vector
"""

from experiments import box30


def get_config():
  config = box30.get_config()
  config.model.coded_vae.vector = 300
  config.train.start_from = 'runs/box30'
  config.train.steps = 1_900
  return config
