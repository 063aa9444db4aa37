r"""The U-Net alone, on true densities of 60³ voxels.

Its scores bound those of a U-Net behind any VAE. Not yet trained: it takes
accelerators.

  python -m experiments.main --config=experiments/unet60.py \
    --workdir=runs/unet60
"""

from experiments import vae60


def get_config():
  config = vae60.get_config()
  config.model.networks = 'unet'
  return config
