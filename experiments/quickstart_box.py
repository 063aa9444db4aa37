r"""The paper's box and U-Net, small: about six minutes on two cores.

OQMD crystals of up to 20 atoms, repeating in a 10 Å box of 30³ voxels, rotated
at random; VAE and U-Net trained together in their folded form. The latent is
spatial (5³ of 64 numbers) and the VAE is initialised as a truncated cosine
transform, because minutes are too short for the paper's vector of 300.

  python -m experiments.main --config=experiments/quickstart_box.py \
    --workdir=runs/quickstart_box
"""

from experiments import base


def get_config():
  config = base.get_config()
  config.model.vae.fold = 6
  config.model.vae.widths = (128,)
  config.model.vae.latent = 64
  config.model.vae.spatial = True
  config.model.unet.fold = 6
  config.model.unet.widths = (128,)
  config.model.unet.features = 16
  config.train.steps = 200
  config.train.batch_size = 16
  config.train.learning_rate = 5e-4
  config.train.warmup_steps = 20
  config.train.ema_decay = 0.98
  config.train.log_every = 20
  config.train.eval_every = 100
  config.train.checkpoint_every = 100
  config.train.eval_batches = 2
  config.train.box_loss.beta_warmup = 100
  config.train.box_loss.beta = 1e-8
  config.train.box_loss.species_sample_voxels = 4096
  config.eval.crystals = 48
  config.model.box.max_decoded = 256
  return config
