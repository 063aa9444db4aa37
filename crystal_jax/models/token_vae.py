"""A variational autoencoder of coded densities, over a few tokens.

The density of a cell or of a box, one channel a number of the elements' code,
is folded to tokens, blocks of voxels; each becomes a few latent numbers (or all
together become one vector), and each latent token a feature from which
everything is read:

- the occupancy of its voxels, a Gaussian of height one at each atom;
- at any voxel, the code of the element of the atom there, and where the atom
  lies from the voxel. Asked of the voxels of atoms this costs little.

Places need not be learnt: a crystal comes in its standard frame, so every token
has a place of its own.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from crystal_jax.models import blocks
from crystal_jax.models.tokens import Trunk
from crystal_jax.structure.elements import MAX_NUMBER

# The least and the most that the logarithm of a posterior's variance may be.
_LOG_VAR = -12.0, 2.0


class TokenVAE(nn.Module):
  """Density to latent, latent to occupancy, codes and offsets.

  Attributes:
    size: Voxels a side, G; a multiple of `fold`.
    channels: Numbers of an element's code, C.
    fold: Side of the block of voxels that is a token.
    width: Channels of a token.
    encoder: Blocks of the encoder; see `Trunk.mixes`.
    decoder: Blocks of the decoder.
    factor: See `Trunk`.
    latent: Latent numbers of a token, L.
    vector: Numbers of a latent that is one vector instead, D, linear in the
      `latent` numbers of all tokens, as they are in it; 0: none.
    learn_codes: Whether each element is read by its code and a learnt offset,
      `code_offsets` of the parameters, [94, C].
    dtype: Of the arithmetic; parameters stay float32.
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
  dtype: jnp.dtype = jnp.float32

  def setup(self):
    """Builds the layers; called by flax."""

    def dense(width, **options):
      return nn.Dense(width, dtype=self.dtype, **options)

    def places(name, number):
      init = nn.initializers.normal(0.1)
      return self.param(name, init, (number, self.width))

    self.encode_in = dense(self.width)
    self.encode_beside = dense(self.width)
    self.encode_places = places('encode_places', self.tokens)
    self.encode_trunk = Trunk(self.encoder, self.factor, self.dtype)
    unsure = {
      'kernel_init': nn.initializers.zeros,
      'bias_init': nn.initializers.constant(-4.0),
    }
    self.to_mean = nn.Dense(self.latent)
    self.to_log_var = nn.Dense(self.latent, **unsure)
    if self.vector:
      self.vector_mean = nn.Dense(
        self.vector, kernel_init=nn.initializers.orthogonal()
      )
      self.vector_log_var = nn.Dense(self.vector, **unsure)
      self.from_vector = dense(self.tokens * self.latent)
    self.decode_in = dense(self.width)
    self.decode_places = places('decode_places', self.tokens)
    self.decode_trunk = Trunk(self.decoder, self.factor, self.dtype)
    self.occupancy_hidden = dense(2 * self.width)
    self.occupancy_out = nn.Dense(self.fold**3)
    self.atom_in = dense(self.width)
    self.atom_places = places('atom_places', self.fold**3)
    self.atom_out = nn.Dense(self.channels + 3)
    if self.learn_codes:
      shape = MAX_NUMBER, self.channels
      self.code_offsets = self.param(
        'code_offsets', nn.initializers.zeros, shape
      )

  @property
  def tokens(self) -> int:
    """Tokens of a cell, T."""
    return (self.size // self.fold) ** 3

  @property
  def latent_size(self) -> int:
    """Numbers of one latent, D."""
    return self.vector or self.tokens * self.latent

  def encode(
    self,
    density: Float[Array, 'B G G G C'],
    beside: Float[Array, 'B K'] | None = None,
  ) -> tuple[Float[Array, 'B D'], Float[Array, 'B D']]:
    """Mean and logarithm of the variance of the latent.

    Args:
      density: In heights of a lone atom.
      beside: What every token is told too; None: nothing.
    """
    x = blocks.fold(density, self.fold).reshape(len(density), self.tokens, -1)
    x = self.encode_in(x) + self.encode_places[None]
    if beside is not None:
      x = x + self.encode_beside(beside)[:, None]
    x = self.encode_trunk(x)
    mean, log_var = self.to_mean(x), self.to_log_var(x)
    mean, log_var = (each.reshape(len(x), -1) for each in (mean, log_var))
    if self.vector:
      mean, log_var = self.vector_mean(mean), self.vector_log_var(log_var)
    return mean, jnp.clip(log_var, *_LOG_VAR)

  def decode(
    self, z: Float[Array, 'B D']
  ) -> tuple[Float[Array, 'B G G G'], Float[Array, 'B T W']]:
    """The occupancy, and the tokens that `read` and `read_all` ask."""
    if self.vector:
      z = self.from_vector(z)
    z = z.reshape(len(z), self.tokens, self.latent)
    x = self.decode_trunk(self.decode_in(z) + self.decode_places[None])
    h = self.occupancy_out(nn.gelu(self.occupancy_hidden(x)))
    side = self.size // self.fold
    h = blocks.unfold(h.reshape(len(z), side, side, side, -1), self.fold)
    return h[..., 0], x

  def say(
    self, z: Float[Array, 'B D'], voxels: Int[Array, 'B K 3'] | None = None
  ) -> tuple[dict[str, Array], Float[Array, 'B T W']]:
    """Everything that is said of latents, by name, and the tokens.

    Args:
      z: Latents.
      voxels: Where codes and offsets are asked for; None: everywhere.

    Returns:
      occupancy [B, G, G, G]: a Gaussian of height one at each atom; codes and
      offsets (voxels): [B, G, G, G, C] and [B, G, G, G, 3], or [B, K, C] and
      [B, K, 3]; and code_offsets [B, E, C], if the codes that elements are
      read by are learnt.
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
    """Codes at some voxels, and the atom's place from there, in voxels."""
    side = self.size // self.fold
    token = _flat(voxels // self.fold, side)
    h = jnp.take_along_axis(self.atom_in(tokens), token[..., None], axis=1)
    return self._atom(
      h + self.atom_places[_flat(voxels % self.fold, self.fold)]
    )

  def read_all(
    self, tokens: Float[Array, 'B T W']
  ) -> tuple[Float[Array, 'B G G G C'], Float[Array, 'B G G G 3']]:
    """The same at every voxel."""

    def one(h):  # An example at a time: its hidden numbers are many.
      codes, offsets = self._atom(h[:, None] + self.atom_places[None])
      return self._voxels(codes), self._voxels(offsets)

    return jax.lax.map(one, self.atom_in(tokens))

  def __call__(
    self,
    density: Float[Array, 'B G G G C'],
    beside: Float[Array, 'B K'] | None = None,
  ) -> tuple:
    """Everything, once: for initialisation."""
    mean, log_var = self.encode(density, beside)
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
  """Place in a flattened cube."""
  return (index[..., 0] * side + index[..., 1]) * side + index[..., 2]
