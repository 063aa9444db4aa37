r"""VAE and U-Net on 30³ voxels of a 10 Å box, as in arXiv:1909.00949.

Data: the embedded OQMD set, repeating lattices, three origins for each crystal.
The latent has 300 numbers. Not yet trained: that takes an accelerator.

  python -m experiments.main --config=experiments/vae30.py --workdir=runs/vae30
"""

from experiments import base


def get_config():
  return base.get_config()
