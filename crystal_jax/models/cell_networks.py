"""The networks of the cell: an autoencoder, and the lattice beside it.

One flat latent holds both: the numbers of every token, then six of the lattice.
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.models.cell_vae import CellVAE
from crystal_jax.models.lattice_latent import Whitening


@dataclasses.dataclass(frozen=True)
class CellNetworks:
  """See `Networks`; inputs are `density` [B, G, G, G, C], `lattice` [B, 6].

  Attributes:
    vae: Density to latent, latent to what atoms are read from.
  """

  vae: CellVAE

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Numbers of one latent."""
    side = self.vae.size // self.vae.fold
    return (side**3 * self.vae.latent + 6,)

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
    if arrays is None:
      sizes = np.full(6, 100, np.float32)
      whitening = Whitening(
        np.log([6, 6, 6, np.e, np.e, np.e]) - [0, 0, 0, 1, 1, 1],
        np.eye(6),
        sizes,
      )
    else:
      whitening = Whitening.fit(arrays['lattice'])
    constants = {
      name: jnp.asarray(value, jnp.float32)
      for name, value in whitening._asdict().items()
    }
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
      _joined(mean, whitening.whiten(lattice)),
      _joined(log_var, exact),
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
      occupancy [B, G, G, G]: a Gaussian of height one at each atom; codes and
      offsets (voxels): [B, G, G, G, C] and [B, G, G, G, 3], or [B, K, C] and
      [B, K, 3]; lattice [B, 6]; and code_offsets [B, E, C], if the codes that
      elements are read by are learnt.
    """
    vae, own = self.vae, params['vae']
    tokens = z[:, :-6].reshape(len(z), -1, vae.latent)
    occupancy, features = vae.apply(own, tokens, method=vae.decode)
    if voxels is None:
      codes, offsets = vae.apply(own, features, method=vae.read_all)
    else:
      codes, offsets = vae.apply(own, features, voxels, method=vae.read)
    lattice = Whitening(**params['lattice']).unwhiten(z[:, -6:])
    outputs = {
      'occupancy': occupancy,
      'codes': codes,
      'offsets': offsets,
      'lattice': lattice,
    }
    if vae.learn_codes:
      learnt = own['params']['code_offsets']
      outputs['code_offsets'] = jnp.broadcast_to(
        learnt[None], (len(z), *learnt.shape)
      )
    return outputs

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """What `decode` makes of the mean that `encode` gives."""
    mean, _ = self.encode(params, inputs)
    return self.decode(params, mean)


def _joined(tokens, lattice):
  return jnp.concatenate([tokens.reshape(len(tokens), -1), lattice], axis=-1)
