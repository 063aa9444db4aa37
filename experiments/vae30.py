r"""VAE and U-Net on 30³ voxels of a 10 Å box, as in arXiv:1909.00949.

The embedded OQMD set, repeating, three origins a crystal; a latent of 300.
Not yet trained: it takes an accelerator.

  python -m experiments.main --config=experiments/vae30.py --workdir=runs/vae30
"""

from experiments import base


def get_config():
  return base.get_config()
