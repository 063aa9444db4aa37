"""The networks: a variational autoencoder of densities and a U-Net of species.

Both are flax linen modules, pure `init` and `apply`, channels last. Neither
knows of crystals or files; they map arrays to arrays.
"""

from crystal_jax.models.lattice_head import LatticeHead
from crystal_jax.models.unet import UNet
from crystal_jax.models.vae import VAE

__all__ = ['LatticeHead', 'UNet', 'VAE']
