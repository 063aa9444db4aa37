"""What the cell's networks are made of: blocks over a few tokens.

A token is a block of voxels folded into channels, `[B, T, C]`. There are so few
of them (4³) that every token may hear every other, and each block is a handful
of matrix products, which every processor does well. What a block adds to its
input is normalised beforehand; the input itself passes untouched.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Attention(nn.Module):
  """Each token hears others by what they hold (arXiv:1706.03762)."""

  heads: int = 6
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B T C']) -> Float[Array, 'B T C']:
    """What is heard."""
    batch, tokens, width = x.shape
    qkv = nn.Dense(3 * width, dtype=self.dtype)(x)
    qkv = qkv.reshape(batch, tokens, 3, self.heads, -1)
    query, key, value = (qkv[:, :, i] for i in range(3))
    scores = jnp.einsum('bshc,bthc->bhst', query, key)
    shares = nn.softmax(scores / np.sqrt(width // self.heads))
    heard = jnp.einsum('bhst,bthc->bshc', shares, value)
    return nn.Dense(width, dtype=self.dtype)(heard.reshape(x.shape))


class PlaceMix(nn.Module):
  """Each token hears others by where they are, a group of channels alike."""

  group: int = 8
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B T C']) -> Float[Array, 'B T C']:
    """What is heard."""
    batch, tokens, width = x.shape
    groups = width // self.group
    h = nn.Dense(width, dtype=self.dtype)(x)
    h = h.reshape(batch, tokens, groups, self.group)
    init = nn.initializers.normal(tokens**-0.5)
    shares = self.param('kernel', init, (groups, tokens, tokens))
    h = jnp.einsum('gst,btgc->bsgc', shares.astype(self.dtype), h)
    return nn.Dense(width, dtype=self.dtype)(nn.gelu(h.reshape(x.shape)))


# The letters of `Trunk.mixes`.
MIXES = {'a': Attention, 'p': PlaceMix}


class Trunk(nn.Module):
  """Blocks in a row: tokens hear each other, then each thinks for itself.

  Attributes:
    mixes: A letter a block: 'a' for `Attention`, 'p' for `PlaceMix`.
    factor: How much wider a token is while it thinks.
    dtype: Of the arithmetic; parameters stay float32.
  """

  mixes: str
  factor: int = 2
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B T C']) -> Float[Array, 'B T C']:
    """The tokens after it, normalised."""
    width = x.shape[-1]
    for letter in self.mixes:
      x = x + MIXES[letter](dtype=self.dtype)(nn.RMSNorm(dtype=self.dtype)(x))
      h = nn.RMSNorm(dtype=self.dtype)(x)
      h = nn.gelu(nn.Dense(self.factor * width, dtype=self.dtype)(h))
      x = x + nn.Dense(width, dtype=self.dtype)(h)
    return nn.RMSNorm(dtype=self.dtype)(x)
