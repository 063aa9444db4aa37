r"""VAE and U-Net on 60³ voxels of a 10 Å box, as in arXiv:1909.00949.

Data: the embedded OQMD set, repeating lattices, three origins for each crystal.
The latent has 300 numbers. Not yet trained: that takes accelerators.

  python -m experiments.main --config=experiments/vae60.py --workdir=runs/vae60
"""

from experiments import base


def get_config():
  config = base.get_config()
  config.model.box.size = 60
  config.model.vae.widths = (16, 32, 64, 128, 256)
  config.model.unet.widths = (64, 128, 256, 512, 1024)
  config.model.dtype = 'bfloat16'
  config.eval.batch_size = 4
  return config
