"""Transformer-like blocks over a few tokens.

A token is a block of voxels folded into channels, `[B, T, C]`. There are so few
tokens (4³) that each can attend to all, and a block is a few matrix products.
Blocks are residual, with RMS normalisation before each part.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class Attention(nn.Module):
  """Self-attention (arXiv:1706.03762)."""

  heads: int = 6
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B T C']) -> Float[Array, 'B T C']:
    """Attended values."""
    batch, tokens, width = x.shape
    qkv = nn.Dense(3 * width, dtype=self.dtype)(x)
    qkv = qkv.reshape(batch, tokens, 3, self.heads, -1)
    query, key, value = (qkv[:, :, i] for i in range(3))
    scores = jnp.einsum('bshc,bthc->bhst', query, key)
    weights = nn.softmax(scores / np.sqrt(width // self.heads))
    attended = jnp.einsum('bhst,bthc->bshc', weights, value)
    return nn.Dense(width, dtype=self.dtype)(attended.reshape(x.shape))


class PlaceMix(nn.Module):
  """A learnt linear map over token positions, one for each channel group.

  The class names parameters of shipped weights (`PlaceMix_0`).
  """

  group: int = 8
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B T C']) -> Float[Array, 'B T C']:
    """Mixed tokens."""
    batch, tokens, width = x.shape
    groups = width // self.group
    h = nn.Dense(width, dtype=self.dtype)(x)
    h = h.reshape(batch, tokens, groups, self.group)
    init = nn.initializers.normal(tokens**-0.5)
    kernel = self.param('kernel', init, (groups, tokens, tokens))
    h = jnp.einsum('gst,btgc->bsgc', kernel.astype(self.dtype), h)
    return nn.Dense(width, dtype=self.dtype)(nn.gelu(h.reshape(x.shape)))


# The letters of `Trunk.mixes`.
MIXES: dict[str, type[nn.Module]] = {'a': Attention, 'p': PlaceMix}


class Trunk(nn.Module):
  """A sequence of blocks: mixing over tokens, then an MLP on each token.

  Attributes:
    mixes: A letter for each block: 'a' for `Attention`, 'p' for `PlaceMix`.
    factor: Hidden width of the MLP, as a multiple of the tokens' width.
    dtype: Type of the arithmetic; parameters stay float32.
  """

  mixes: str
  factor: int = 2
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B T C']) -> Float[Array, 'B T C']:
    """Normalised tokens."""
    width = x.shape[-1]
    for letter in self.mixes:
      x = x + MIXES[letter](dtype=self.dtype)(nn.RMSNorm(dtype=self.dtype)(x))
      h = nn.RMSNorm(dtype=self.dtype)(x)
      h = nn.gelu(nn.Dense(self.factor * width, dtype=self.dtype)(h))
      x = x + nn.Dense(width, dtype=self.dtype)(h)
    return nn.RMSNorm(dtype=self.dtype)(x)
