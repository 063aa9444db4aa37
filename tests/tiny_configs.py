"""Configs of everything in seconds: small networks, few voxels and crystals."""

from experiments import base


def tiny_config(data_dir, representation='box'):
  """The whole system: real crystals, 12³ voxels, two batches."""
  config = base.get_config()
  shrink(config.model)
  config.model.representation = representation
  if representation != 'box':
    config.data.origins = 1
  config.data.data_dir = str(data_dir)
  config.data.train_split = 'train[:64]'
  config.data.heldout_split = 'val[:64]'
  config.train.box_loss.beta = 1e-8
  config.train.box_loss.species_sample_voxels = 256
  config.train.steps = 6
  config.train.batch_size = 4
  config.train.warmup_steps = 1
  config.train.log_every = 2
  config.train.eval_every = 3
  config.train.eval_batches = 1
  config.train.checkpoint_every = 3
  config.eval.crystals = 4
  config.eval.batch_size = 2
  config.eval.pictures = 1
  return config


def shrink(model):
  """Models of `config.model` that are made and compiled in seconds."""
  model.box.size = 12
  model.box.length = 6.0
  model.box.max_decoded = 64
  model.vae.widths = (16,)
  model.vae.fold = 6
  model.vae.latent = 8
  model.vae.spatial = True
  model.unet.widths = (16,)
  model.unet.fold = 6
  model.unet.features = 4
  for vae in model.cell_vae, model.coded_vae:
    vae.width = 32
    vae.encoder = 'p'
    vae.decoder = 'p'
    vae.latent = 4
  model.coded_vae.head_width = 16
