"""The networks of the cell: an autoencoder, and the lattice beside it.

One flat latent holds both: the numbers of every token, then six of the lattice.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.models.lattice_latent import Whitening
from crystal_jax.models.token_vae import TokenVAE


@dataclasses.dataclass(frozen=True)
class CellNetworks:
  """See `Networks`; inputs are `density` [B, G, G, G, C], `lattice` [B, 6].

  Attributes:
    vae: Density to latent, latent to what atoms are read from.
  """

  vae: TokenVAE

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Numbers of one latent."""
    return (self.vae.latent_size + 6,)

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters.

    Args:
      key: Of the autoencoder's.
      arrays: Prepared crystals of the training set, whose lattices are
        whitened; None: lattices of 6 Å and 90 degrees, give or take.
    """
    vae = self.vae
    density = jnp.zeros((1, *[vae.size] * 3, vae.channels))
    whitening = Whitening.fit(None if arrays is None else arrays['lattice'])
    constants = jax.tree.map(jnp.asarray, whitening._asdict())
    return {'vae': vae.init(key, density), 'lattice': constants}

  def encode(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B L'], Float[Array, 'B L']]:
    """Mean and logarithm of the variance of q(z|crystal)."""
    density, lattice = inputs['density'], inputs['lattice']
    whitening = Whitening(**params['lattice'])
    mean, log_var = self.vae.apply(
      params['vae'], density, method=self.vae.encode
    )
    exact = jnp.broadcast_to(whitening.log_var[None], lattice.shape)
    return (
      jnp.concatenate([mean, whitening.whiten(lattice)], axis=-1),
      jnp.concatenate([log_var, exact], axis=-1),
    )

  def decode(
    self,
    params: PyTree,
    z: Float[Array, 'B L'],
    *,
    voxels: Int[Array, 'B K 3'] | None = None,
  ) -> dict[str, Array]:
    """Everything the networks say of latents.

    Args:
      params: What `init` returns.
      z: Latents.
      voxels: Where codes and offsets are asked for; None: everywhere.

    Returns:
      What `TokenVAE.say` does, and lattice [B, 6].
    """
    outputs, _ = self.vae.apply(
      params['vae'], z[:, :-6], voxels, method=self.vae.say
    )
    lattice = Whitening(**params['lattice']).unwhiten(z[:, -6:])
    return outputs | {'lattice': lattice}

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """What `decode` makes of the mean that `encode` gives."""
    mean, _ = self.encode(params, inputs)
    return self.decode(params, mean)
