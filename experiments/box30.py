r"""Crystals from the paper's 10 Å box through a latent of 1,000 numbers.

Element codes as channels, 30³ voxels, 5³ tokens of 8 numbers; crystals are in
their standard frame. Trained on the embedded OQMD set; on another one, such as
compact files of Materials Project crystals; or with a single cell in the box,
where a larger weight of the occupancy makes up for the few atoms:

  python -m experiments.main --config=experiments/box30.py \
    --workdir=runs/box30 --config.data.builder=../shared/data/mp_le20

  python -m experiments.main --config=experiments/box30.py \
    --workdir=runs/box30_single --config.model.box.filling=single_cell \
    --config.train.coded_box_loss.occupancy=1500.0
"""

from experiments import base


def get_config():
  config = base.get_config()
  config.model.representation = 'coded_box'
  config.data.origins = 1
  config.train.steps = 5_500
  config.train.batch_size = 32
  config.train.warmup_steps = 100
  config.train.weight_decay = 0.0
  config.train.coded_box_loss.beta = 5e-5
  config.train.coded_box_loss.occupancy = 200.0
  config.train.checkpoint_every = 500
  config.train.log_every = 50
  config.train.eval_every = 500
  config.eval.crystals = 64  # refinement takes two to three seconds each
  return config
