"""Variational autoencoder of coded densities, over a few tokens.

The density of a cell or of a box, with one channel for each number of the
element codes, is folded to tokens, which are blocks of voxels. Each token
becomes a few latent numbers, or all together one vector. From each decoded
token are predicted

- the occupancy of its voxels, a Gaussian of height one at each atom;
- at any of its voxels, the code of the element of the atom there and the offset
  of the atom from the voxel. Computed only at voxels of atoms, they cost
  little.

Each token has a learnt position embedding: a crystal is in its standard frame,
so the same part of it is always in the same token.

The names of submodules and parameters are those of the shipped weights.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from crystal_jax.models import blocks
from crystal_jax.models.tokens import Trunk
from crystal_jax.structure.elements import MAX_NUMBER

# Bounds of the logarithm of the posterior variance.
_LOG_VAR = -12.0, 2.0


class TokenVAE(nn.Module):
  """Autoencoder: density to latent, latent to occupancy, codes and offsets.

  Attributes:
    size: Voxels a side, G; a multiple of `fold`.
    channels: Length of an element code, C.
    fold: Side of the block of voxels that is a token.
    width: Channels of a token.
    encoder: Blocks of the encoder; see `Trunk.mixes`.
    decoder: Blocks of the decoder.
    factor: Hidden width of a block, as a multiple of `width`; see `Trunk`.
    latent: Latent numbers of a token, L.
    vector: Length D of a latent that is one vector for the whole crystal, a
      linear map of the `latent` numbers of all tokens. 0: a latent per token.
    learn_codes: Whether a learnt offset is added to each element's code,
      `code_offsets` of the parameters, [94, C].
    dtype: Type of the arithmetic; parameters stay float32.
  """

  size: int = 16
  channels: int = 12
  fold: int = 4
  width: int = 192
  encoder: str = 'pp'
  decoder: str = 'ppp'
  factor: int = 2
  latent: int = 15
  vector: int = 0
  learn_codes: bool = False
  dtype: DTypeLike = jnp.float32

  def setup(self):
    """Builds the layers; called by flax."""

    def dense(width, **options):
      return nn.Dense(width, dtype=self.dtype, **options)

    def embedding(name, number):
      init = nn.initializers.normal(0.1)
      return self.param(name, init, (number, self.width))

    self.encode_in = dense(self.width)
    # Zero, so that a trained model computes the same when this is added.
    self.encode_beside = dense(self.width, kernel_init=nn.initializers.zeros)
    self.encode_places = embedding('encode_places', self.tokens)
    self.encode_trunk = Trunk(self.encoder, self.factor, self.dtype)
    narrow = {
      'kernel_init': nn.initializers.zeros,
      'bias_init': nn.initializers.constant(-4.0),
    }
    self.to_mean = nn.Dense(self.latent)
    self.to_log_var = nn.Dense(self.latent, **narrow)
    if self.vector:
      self.vector_mean = nn.Dense(
        self.vector, kernel_init=nn.initializers.orthogonal()
      )
      self.vector_log_var = nn.Dense(self.vector, **narrow)
      self.from_vector = dense(self.tokens * self.latent)
    self.decode_in = dense(self.width)
    self.decode_places = embedding('decode_places', self.tokens)
    self.decode_trunk = Trunk(self.decoder, self.factor, self.dtype)
    self.occupancy_hidden = dense(2 * self.width)
    self.occupancy_out = nn.Dense(self.fold**3)
    self.atom_in = dense(self.width)
    self.atom_places = embedding('atom_places', self.fold**3)
    self.atom_out = nn.Dense(self.channels + 3)
    if self.learn_codes:
      shape = MAX_NUMBER, self.channels
      self.code_offsets = self.param(
        'code_offsets', nn.initializers.zeros, shape
      )

  @property
  def tokens(self) -> int:
    """Number of tokens, T."""
    return (self.size // self.fold) ** 3

  @property
  def latent_size(self) -> int:
    """Length of one latent, D."""
    return self.vector or self.tokens * self.latent

  def encode(
    self,
    density: Float[Array, 'B G G G C'],
    condition: Float[Array, 'B K'] | None = None,
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']]:
    """Mean and log variance of the latent.

    Args:
      density: Density, in units of an isolated atom's height.
      condition: Added to every token through a linear map; None: nothing.
    """
    x = blocks.fold(density, self.fold).reshape(len(density), self.tokens, -1)
    x = self.encode_in(x) + self.encode_places[None]
    if condition is not None:
      x = x + self.encode_beside(condition)[:, None]
    x = self.encode_trunk(x)
    mean, log_var = self.to_mean(x), self.to_log_var(x)
    mean, log_var = (each.reshape(len(x), -1) for each in (mean, log_var))
    if self.vector:
      mean, log_var = self.vector_mean(mean), self.vector_log_var(log_var)
    return mean, jnp.clip(log_var, *_LOG_VAR)

  def decode(
    self, z: Float[Array, 'B D']
  ) -> tuple[Float[Array, 'B G G G'], Float[Array, 'B T W']]:
    """The occupancy, and the decoded tokens for `read` and `read_all`."""
    if self.vector:
      z = self.from_vector(z)
    z = z.reshape(len(z), self.tokens, self.latent)
    x = self.decode_trunk(self.decode_in(z) + self.decode_places[None])
    h = self.occupancy_out(nn.gelu(self.occupancy_hidden(x)))
    side = self.size // self.fold
    h = blocks.unfold(h.reshape(len(z), side, side, side, -1), self.fold)
    return h[..., 0], x

  def readout(
    self, z: Float[Array, 'B D'], voxels: Int[Array, 'B K 3'] | None = None
  ) -> tuple[dict[str, Array], Float[Array, 'B T W']]:
    """Outputs of latents, by name, and the decoded tokens.

    Args:
      z: Latents.
      voxels: Indices of voxels at which codes and offsets are computed; None:
        all voxels.

    Returns:
      occupancy [B, G, G, G]: a Gaussian of height one at each atom; codes and
      offsets (voxels): [B, G, G, G, C] and [B, G, G, G, 3], or [B, K, C] and
      [B, K, 3]; and code_offsets [B, E, C], if the elements' codes are learnt.
    """
    occupancy, tokens = self.decode(z)
    if voxels is None:
      codes, offsets = self.read_all(tokens)
    else:
      codes, offsets = self.read(tokens, voxels)
    outputs = {'occupancy': occupancy, 'codes': codes, 'offsets': offsets}
    if self.learn_codes:
      learnt = self.code_offsets
      outputs['code_offsets'] = jnp.broadcast_to(
        learnt[None], (len(z), *learnt.shape)
      )
    return outputs, tokens

  def read(
    self, tokens: Float[Array, 'B T W'], voxels: Int[Array, 'B K 3']
  ) -> tuple[Float[Array, 'B K C'], Float[Array, 'B K 3']]:
    """Codes and offsets (voxels) at the given voxels."""
    side = self.size // self.fold
    token = _flat(voxels // self.fold, side)
    h = jnp.take_along_axis(self.atom_in(tokens), token[..., None], axis=1)
    return self._atom(
      h + self.atom_places[_flat(voxels % self.fold, self.fold)]
    )

  def read_all(
    self, tokens: Float[Array, 'B T W']
  ) -> tuple[Float[Array, 'B G G G C'], Float[Array, 'B G G G 3']]:
    """Codes and offsets at every voxel."""

    def one(h):  # One example at a time: the hidden activations are large.
      codes, offsets = self._atom(h[:, None] + self.atom_places[None])
      return self._voxels(codes), self._voxels(offsets)

    return jax.lax.map(one, self.atom_in(tokens))

  def __call__(
    self,
    density: Float[Array, 'B G G G C'],
    condition: Float[Array, 'B K'] | None = None,
  ) -> tuple:
    """Calls every submodule once, for initialisation."""
    mean, log_var = self.encode(density, condition)
    occupancy, tokens = self.decode(mean)
    voxels = jnp.zeros((len(mean), 1, 3), jnp.int32)
    return log_var, occupancy, self.read(tokens, voxels)

  def _atom(self, h):
    out = self.atom_out(nn.gelu(h))
    return out[..., : self.channels], out[..., self.channels :]

  def _voxels(self, x):
    """[T, fold³, C] as a grid."""
    side = self.size // self.fold
    grid = x.reshape(1, side, side, side, -1)
    return blocks.unfold(grid, self.fold)[0]


def _flat(index: Int[Array, '*B 3'], side: int) -> Int[Array, '*B']:
  """Index in a flattened cube."""
  return (index[..., 0] * side + index[..., 1]) * side + index[..., 2]
