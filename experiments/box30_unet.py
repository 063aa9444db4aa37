r"""The paper's VAE and U-Net with a latent of 1,000 numbers, as `box30.py`.

For comparison with `box30.py`: a density weighted by atomic number in place of
element codes, and a U-Net for species. The embedded OQMD set, in folded form,
without rotation. 23 minutes on two cores shared with other work.

  python -m experiments.main --config=experiments/box30_unet.py \
    --workdir=runs/box30_unet
"""

from experiments import quickstart_box


def get_config():
  config = quickstart_box.get_config()
  config.model.vae.latent = 8
  config.model.vae.depth = 2
  config.model.unet.depth = 2
  config.model.box.turn = False
  config.data.origins = 1
  config.train.steps = 230
  config.train.batch_size = 32
  config.train.learning_rate = 1e-3
  config.train.warmup_steps = 30
  config.train.ema_decay = 0.99
  config.train.log_every = 50
  config.train.eval_every = 150
  config.train.checkpoint_every = 150
  config.train.box_loss.beta_warmup = 100
  config.train.box_loss.species_sample_voxels = 2048
  config.eval.crystals = 300
  return config
