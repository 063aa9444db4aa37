"""The networks of the coded box: an autoencoder, and a head for the lattice.

The latent is that of the autoencoder alone; the lattice is read off what the
latent decodes to, and adds no numbers to it.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.models.lattice_head import TokenLatticeHead
from crystal_jax.models.lattice_latent import Whitening
from crystal_jax.models.token_vae import TokenVAE


@dataclasses.dataclass(frozen=True)
class CodedBoxNetworks:
  """See `Networks`; inputs are `density` [B, G, G, G, C], maybe `lattice`.

  Attributes:
    vae: Density to latent, latent to what atoms are read from.
    head: Decoded tokens to the six numbers of the lattice.
    told: Whether the encoder is told the lattice [B, 6], which a box without
      images does not show.
  """

  vae: TokenVAE
  head: TokenLatticeHead
  told: bool

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Numbers of one latent."""
    return (self.vae.latent_size,)

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters.

    Args:
      key: Of all networks.
      arrays: Prepared crystals of the training set, whose lattices are
        whitened; see `Whitening.fit`.
    """
    vae, (vae_key, head_key) = self.vae, jax.random.split(key)
    density = jnp.zeros((1, *[vae.size] * 3, vae.channels))
    beside = jnp.zeros((1, 6)) if self.told else None
    whitening = Whitening.fit(None if arrays is None else arrays['lattice'])
    return {
      'vae': vae.init(vae_key, density, beside),
      'head': self.head.init(head_key, jnp.zeros((1, vae.tokens, vae.width))),
      'lattice': jax.tree.map(jnp.asarray, whitening._asdict()),
    }

  def encode(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B L'], Float[Array, 'B L']]:
    """Mean and logarithm of the variance of q(z|crystal)."""
    beside = None
    if self.told:
      beside = _whitening(params).whiten(inputs['lattice'])
    return self.vae.apply(
      params['vae'], inputs['density'], beside, method=self.vae.encode
    )

  def decode(
    self,
    params: PyTree,
    z: Float[Array, 'B L'],
    *,
    voxels: Int[Array, 'B K 3'] | None = None,
  ) -> dict[str, Array]:
    """What `TokenVAE.say` does of latents, and lattice [B, 6].

    Args:
      params: What `init` returns.
      z: Latents.
      voxels: Where codes and offsets are asked for; None: everywhere.
    """
    outputs, tokens = self.vae.apply(
      params['vae'], z, voxels, method=self.vae.say
    )
    numbers = self.head.apply(params['head'], tokens)
    lattice = _whitening(params).unwhiten(numbers)
    return outputs | {'lattice': lattice}

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """What `decode` makes of the mean that `encode` gives."""
    mean, _ = self.encode(params, inputs)
    return self.decode(params, mean)


def _whitening(params) -> Whitening:
  """Which is not learnt."""
  return Whitening(**jax.lax.stop_gradient(params['lattice']))
