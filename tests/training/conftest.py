import pytest

from experiments import base


@pytest.fixture
def tiny_config(data_dir):
  """The whole system in seconds: real crystals, 12³ voxels, two batches."""
  config = base.get_config()
  config.data.data_dir = str(data_dir)
  config.data.train_split = 'train[:64]'
  config.data.heldout_split = 'val[:64]'
  config.grid.size = 12
  config.grid.length = 6.0
  config.vae.widths = (16,)
  config.vae.fold = 6
  config.vae.latent = 8
  config.vae.spatial = True
  config.unet.widths = (16,)
  config.unet.fold = 6
  config.unet.features = 4
  config.loss.beta = 1e-8
  config.loss.species_voxels = 256
  config.train.steps = 6
  config.train.batch_size = 4
  config.train.warmup_steps = 1
  config.train.log_every = 2
  config.train.eval_every = 3
  config.train.eval_batches = 1
  config.train.checkpoint_every = 3
  config.eval.crystals = 4
  config.eval.batch_size = 2
  config.eval.max_atoms = 64
  config.eval.pictures = 1
  return config
