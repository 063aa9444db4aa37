"""Networks of densities of element codes: a token autoencoder and a lattice.

The same networks serve a periodic cell and an open box. The lattice
(`coded_lattice`) is either six numbers at the end of the latent, or predicted
from decoded tokens by a head.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.models.coded_lattice import LatticePart
from crystal_jax.models.lattice_latent import Whitening
from crystal_jax.models.networks import apply
from crystal_jax.models.property_heads import PropertyHeads
from crystal_jax.models.token_vae import TokenVAE


@dataclasses.dataclass(frozen=True)
class CodedNetworks:
  """A `TokenVAE` and the lattice; see `Networks`.

  Inputs are density [B, G, G, G, C] and, unless the density contains the
  lattice, lattice [B, 6] (`representation.lattice_numbers`). Parameters are
  `vae`, `lattice` (the whitening, not learnt), those of the lattice part, and
  `properties`, if there are heads.

  Attributes:
    vae: Autoencoder: density to latent, and latent to occupancy, codes and
      offsets.
    lattice: Lattice part, `InLatent` or `Head`.
    heads: Linear property heads on the whole latent.
  """

  vae: TokenVAE
  lattice: LatticePart
  heads: PropertyHeads = PropertyHeads(())  # noqa: RUF009

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Length of one latent, in a tuple: the autoencoder's, then the lattice."""
    return (self.vae.latent_size + self.lattice.latent_size,)

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters.

    Args:
      key: PRNG key of all networks.
      arrays: Prepared training set, on which the whitening of lattices and the
        scales of properties are measured; None: a wide spread around 6 Å and
        90°.
    """
    vae_key, params = self.lattice.init(key, self.vae)
    vae = self.vae
    whitening = Whitening.fit(None if arrays is None else arrays['lattice'])
    constants = jax.tree.map(jnp.asarray, whitening._asdict())
    inputs = {
      'density': jnp.zeros((1, *[vae.size] * 3, vae.channels)),
      'lattice': jnp.zeros((1, 6)),
    }
    condition = self._condition(whitening, inputs)
    vae_params = vae.init(vae_key, inputs['density'], condition)
    if self.heads.names:
      (size,) = self.latent_shape
      params['properties'] = self.heads.init(size, arrays)
    return {'vae': vae_params, 'lattice': constants, **params}

  def encode(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']]:
    """Mean and log variance of q(z|crystal)."""
    whitening = _whitening(params)
    mean, log_var = apply(
      self.vae,
      params['vae'],
      inputs['density'],
      self._condition(whitening, inputs),
      method=self.vae.encode,
    )
    lattice = self.lattice.encode(whitening, inputs)
    if lattice is None:
      return mean, log_var
    return (
      jnp.concatenate([mean, lattice[0]], axis=-1),
      jnp.concatenate([log_var, lattice[1]], axis=-1),
    )

  def decode(
    self,
    params: PyTree,
    z: Float[Array, 'B D'],
    *,
    voxels: Int[Array, 'B K 3'] | None = None,
  ) -> dict[str, Array]:
    """Outputs of latents, by name.

    Args:
      params: Parameters, as returned by `init`.
      z: Latents.
      voxels: Indices of voxels at which codes and offsets are computed; None:
        all voxels.

    Returns:
      Those of `TokenVAE.readout`, and lattice [B, 6].
    """
    size = self.vae.latent_size
    outputs, tokens = apply(
      self.vae, params['vae'], z[:, :size], voxels, method=self.vae.readout
    )
    whitened = self.lattice.decode(params, z[:, size:], tokens)
    return outputs | {'lattice': _whitening(params).unwhiten(whitened)}

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """`decode` of the posterior's mean."""
    mean, _ = self.encode(params, inputs)
    return self.decode(params, mean)

  def _condition(
    self, whitening: Whitening, inputs: Mapping[str, Array]
  ) -> Float[Array, 'B 6'] | None:
    """Input of the encoder beside the density: the lattice, or None."""
    if not self.lattice.conditioned:
      return None
    return whitening.whiten(inputs['lattice'])


def _whitening(params: PyTree) -> Whitening:
  """The whitening, without gradient."""
  return Whitening(**jax.lax.stop_gradient(params['lattice']))
