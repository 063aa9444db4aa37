"""Where coded networks keep the lattice: in the latent, or in a head.

Both work on whitened lattice numbers (`lattice_latent.Whitening`), six of
variance one. The whitening is measured on the training set and not learnt.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from crystal_jax.models.lattice_head import TokenLatticeHead
from crystal_jax.models.lattice_latent import Whitening
from crystal_jax.models.networks import apply
from crystal_jax.models.token_vae import TokenVAE


class LatticePart(Protocol):
  """How coded networks encode and decode the lattice."""

  @property
  def conditioned(self) -> bool:
    """Whether each token of the encoder gets the whitened lattice too."""

  @property
  def latent_size(self) -> int:
    """Numbers of the lattice at the end of the latent."""

  @property
  def is_learnt(self) -> bool:
    """Whether a network predicts the lattice, so that the loss asks for it."""

  def init(self, key: Array, vae: TokenVAE) -> tuple[Array, dict[str, PyTree]]:
    """The key of the autoencoder, and fresh parameters by name."""

  def encode(
    self, whitening: Whitening, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']] | None:
    """Mean and log variance of the lattice's latent numbers; None: no such."""

  def decode(
    self,
    params: Mapping[str, PyTree],
    latent: Float[Array, 'B D'],
    tokens: Float[Array, 'B T W'],
  ) -> Float[Array, 'B 6']:
    """Whitened lattice numbers, of the latent's part or of decoded tokens."""


@dataclasses.dataclass(frozen=True)
class InLatent:
  """The lattice as six latent numbers, exact up to the posterior's noise.

  Attributes:
    conditioned: Whether the encoder of the density is given the lattice too.
  """

  conditioned: bool = False

  latent_size: ClassVar[int] = 6
  is_learnt: ClassVar[bool] = False

  def init(self, key: Array, vae: TokenVAE) -> tuple[Array, dict[str, PyTree]]:
    """Nothing to learn; see `LatticePart.init`."""
    del vae
    return key, {}

  def encode(
    self, whitening: Whitening, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']] | None:
    """The whitened lattice, with the posterior of `lattice_latent`."""
    lattice = inputs['lattice']
    log_var = jnp.broadcast_to(whitening.log_var[None], lattice.shape)
    return whitening.whiten(lattice), log_var

  def decode(
    self,
    params: Mapping[str, PyTree],
    latent: Float[Array, 'B D'],
    tokens: Float[Array, 'B T W'],
  ) -> Float[Array, 'B 6']:
    """The latent's part as it is; see `LatticePart.decode`."""
    del params, tokens
    return latent


@dataclasses.dataclass(frozen=True)
class Head:
  """The lattice predicted by a network from the decoded tokens.

  Attributes:
    network: Tokens to whitened lattice numbers.
    conditioned: Whether the encoder is given the lattice: a box without
      periodic images does not show it.
  """

  network: TokenLatticeHead
  conditioned: bool

  latent_size: ClassVar[int] = 0
  is_learnt: ClassVar[bool] = True

  def init(self, key: Array, vae: TokenVAE) -> tuple[Array, dict[str, PyTree]]:
    """Parameters of the head, `head`; see `LatticePart.init`."""
    vae_key, head_key = jax.random.split(key)
    tokens = jnp.zeros((1, vae.tokens, vae.width))
    return vae_key, {'head': self.network.init(head_key, tokens)}

  def encode(
    self, whitening: Whitening, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']] | None:
    """None: the lattice adds no numbers to the latent."""
    del whitening, inputs
    return None

  def decode(
    self,
    params: Mapping[str, PyTree],
    latent: Float[Array, 'B D'],
    tokens: Float[Array, 'B T W'],
  ) -> Float[Array, 'B 6']:
    """What the head predicts; see `LatticePart.decode`."""
    del latent
    return apply(self.network, params['head'], tokens)
