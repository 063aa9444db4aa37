"""The networks: arrays to arrays, knowing of neither crystals nor files.

`networks` says what those of any representation have to do; `box_networks` is
the paper's system of a VAE and a U-Net, `cell_networks` that of a crystal in
its own coordinates, `coded_box_networks` that of a box told by element codes.
Blocks are flax linen modules, pure `init` and `apply`, channels last.
"""

from crystal_jax.models.box_networks import BoxNetworks
from crystal_jax.models.cell_networks import CellNetworks
from crystal_jax.models.coded_box_networks import CodedBoxNetworks
from crystal_jax.models.lattice_head import LatticeHead, TokenLatticeHead
from crystal_jax.models.networks import Networks
from crystal_jax.models.token_vae import TokenVAE
from crystal_jax.models.unet import UNet
from crystal_jax.models.vae import VAE

__all__ = [
  'BoxNetworks',
  'CellNetworks',
  'TokenVAE',
  'CodedBoxNetworks',
  'LatticeHead',
  'Networks',
  'TokenLatticeHead',
  'UNet',
  'VAE',
]
