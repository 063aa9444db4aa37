"""Lattice part of coded networks: numbers in the latent, or a head.

Both work on whitened lattice numbers (`lattice_latent.Whitening`): six numbers
of variance one. The whitening is computed from the training set, not learnt.
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
  """Encoder and decoder of the lattice in coded networks."""

  @property
  def conditioned(self) -> bool:
    """Whether the encoder of the density also gets the whitened lattice."""

  @property
  def latent_size(self) -> int:
    """D, the number of lattice numbers at the end of the latent."""

  @property
  def is_learnt(self) -> bool:
    """Whether a network predicts the lattice, so that its error is a loss."""

  def init(self, key: Array, vae: TokenVAE) -> tuple[Array, dict[str, PyTree]]:
    """Initializes the parameters of the lattice part.

    Args:
      key: PRNG key.
      vae: The autoencoder, whose tokens a head reads.

    Returns:
      The PRNG key for the autoencoder, and the parameters by name.
    """

  def encode(
    self, whitening: Whitening, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']] | None:
    """Mean and log variance of the lattice's latent numbers; None if D is 0.

    Args:
      whitening: The whitening.
      inputs: Encoder inputs; lattice [B, 6] is used.
    """

  def decode(
    self,
    params: Mapping[str, PyTree],
    latent: Float[Array, 'B D'],
    tokens: Float[Array, 'B T W'],
  ) -> Float[Array, 'B 6']:
    """Whitened lattice numbers, from the latent or from decoded tokens.

    Args:
      params: Parameters of the networks, by name.
      latent: The lattice's part of the latent.
      tokens: Decoded tokens.
    """


@dataclasses.dataclass(frozen=True)
class InLatent:
  """The lattice as six latent numbers, exact up to the posterior's noise.

  Attributes:
    conditioned: Whether the encoder of the density also gets the lattice.
  """

  conditioned: bool = False

  latent_size: ClassVar[int] = 6
  is_learnt: ClassVar[bool] = False

  def init(self, key: Array, vae: TokenVAE) -> tuple[Array, dict[str, PyTree]]:
    """No parameters; see `LatticePart.init`."""
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
    """The lattice's latent numbers unchanged; see `LatticePart.decode`."""
    del params, tokens
    return latent


@dataclasses.dataclass(frozen=True)
class Head:
  """The lattice predicted by a network from the decoded tokens.

  Attributes:
    network: Network from tokens to whitened lattice numbers.
    conditioned: Whether the encoder of the density also gets the lattice, which
      the density of a box without periodic images does not contain.
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
    """Predictions of the head; see `LatticePart.decode`."""
    del latent
    return apply(self.network, params['head'], tokens)
