"""Neural networks: arrays to arrays, independent of crystals and files.

`networks` is the protocol of all of them; `box_networks` is the paper's system
of a VAE and a U-Net; `coded_networks` is the family for densities of element
codes, in a cell or in a box. Blocks are flax linen modules, channels last.
"""

from crystal_jax.models.box_networks import BoxNetworks
from crystal_jax.models.coded_lattice import Head, InLatent
from crystal_jax.models.coded_networks import CodedNetworks
from crystal_jax.models.lattice_head import LatticeHead, TokenLatticeHead
from crystal_jax.models.networks import Networks
from crystal_jax.models.property_heads import PropertyHeads
from crystal_jax.models.token_vae import TokenVAE
from crystal_jax.models.unet import UNet
from crystal_jax.models.vae import VAE

__all__ = [
  'BoxNetworks',
  'CodedNetworks',
  'Head',
  'InLatent',
  'LatticeHead',
  'Networks',
  'PropertyHeads',
  'TokenLatticeHead',
  'TokenVAE',
  'UNet',
  'VAE',
]
