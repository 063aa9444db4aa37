"""The paper's system: a VAE of densities and a U-Net for species.

The U-Net's input is the VAE's reconstruction; an optional head predicts the
lattice from the latent. A U-Net alone works on true densities: the density is
then its own latent.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.models.blocks import scale_gradient
from crystal_jax.models.lattice_head import LatticeHead
from crystal_jax.models.networks import apply
from crystal_jax.models.unet import UNet
from crystal_jax.models.vae import VAE


@dataclasses.dataclass(frozen=True)
class BoxNetworks:
  """A VAE, a U-Net, or both; see `Networks`.

  Attributes:
    size: Voxels a side, G.
    channels: Channels of a density, C.
    vae: Density to latent and back; None: a density is its own latent.
    unet: Density to species; None: no species.
    lattice_head: Latent to six numbers; None: no lattice. Needs a VAE.
  """

  size: int
  channels: int
  vae: VAE | None = None
  unet: UNet | None = None
  lattice_head: LatticeHead | None = None

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Shape of one latent."""
    if self.vae is None:
      return (*[self.size] * 3, self.channels)
    return self.vae.latent_shape

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters of each network, by name.

    Args:
      key: PRNG key.
      arrays: Not used.
    """
    del arrays
    keys = jax.random.split(key, 3)
    density = jnp.zeros((1, *[self.size] * 3, self.channels))
    z = jnp.zeros((1, *self.latent_shape))
    params: dict[str, PyTree] = {}
    if self.vae is not None:
      params['vae'] = self.vae.init(keys[0], density, z)
    if self.lattice_head is not None:
      params['lattice_head'] = self.lattice_head.init(keys[1], z)
    if self.unet is not None:
      params['unet'] = self.unet.init(keys[2], density)
    return params

  def encode(
    self, params: PyTree, inputs: Mapping[str, Float[Array, 'B G G G C']]
  ) -> tuple[Float[Array, 'B *L'], Float[Array, 'B *L']]:
    """Mean and log variance of q(z|M); minus infinity without a VAE."""
    density = inputs['density']
    if self.vae is None:
      return density, jnp.full_like(density, -jnp.inf)
    return apply(self.vae, params['vae'], density, method=self.vae.encode)

  def decode(
    self,
    params: PyTree,
    z: Float[Array, 'B *L'],
    *,
    gamma: float = 1.0,
    voxels: Int[Array, 'V'] | None = None,
  ) -> dict[str, Array]:
    """Outputs of latents, by name.

    Args:
      params: Parameters, as returned by `init`.
      z: Latents.
      gamma: Share of the U-Net's gradient that reaches the VAE.
      voxels: Indices into the flattened grid at which species are computed;
        None: all voxels.

    Returns:
      density [B, G, G, G, C]; with a U-Net, logits [B, G, G, G, K] (or
      [B, V, K]); with a lattice head, lattice [B, 6].
    """
    outputs: dict[str, Any] = {'density': z}
    if self.vae is not None:
      outputs['density'] = apply(
        self.vae, params['vae'], z, method=self.vae.decode
      )
    if self.lattice_head is not None:
      outputs['lattice'] = apply(self.lattice_head, params['lattice_head'], z)
    if self.unet is not None:
      # The U-Net gets the whole gradient of the species loss, the VAE a share.
      density = scale_gradient(outputs['density'], gamma)
      outputs['logits'] = apply(self.unet, params['unet'], density, voxels)
    return outputs

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """`decode` of the posterior's mean."""
    mean, _ = self.encode(params, inputs)
    return self.decode(params, mean)
