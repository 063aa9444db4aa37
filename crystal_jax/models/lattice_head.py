"""Heads that predict the lattice; the paper has none.

`LatticeHead` predicts the numbers of `representation.lattice_target` from a
latent, `TokenLatticeHead` whitened lattice numbers (`lattice_latent`) from
decoded tokens.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

# Channels to which `TokenLatticeHead` reduces each token.
_BOTTLENECK = 16


class LatticeHead(nn.Module):
  """Latent to three scaled lengths and three cosines.

  Attributes:
    width: Channels of the hidden layers.
    dtype: Type of the arithmetic; parameters stay float32.
  """

  width: int = 256
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, latent: Float[Array, 'B *L']) -> Float[Array, 'B 6']:
    """Lengths / N^(1/3) (Å, positive) and cosines (-1 to 1)."""
    x = nn.silu(nn.Dense(self.width, dtype=self.dtype)(latent))
    # A spatial latent: a mean over its voxels.
    while x.ndim > 2:
      x = x.mean(axis=1)
    x = nn.silu(nn.Dense(self.width, dtype=self.dtype)(x))
    x = nn.Dense(6, dtype=jnp.float32)(x)
    return jnp.concatenate(
      [nn.softplus(x[:, :3] + 3.0), jnp.tanh(x[:, 3:])], axis=-1
    )


class TokenLatticeHead(nn.Module):
  """Tokens to six whitened lattice numbers (`lattice_latent.Whitening`).

  Attributes:
    width: Channels of the hidden layer.
    dtype: Type of the arithmetic; parameters stay float32.
  """

  width: int = 256
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, tokens: Float[Array, 'B T W']) -> Float[Array, 'B 6']:
    """Whitened lattice numbers; tokens are concatenated, not averaged."""
    x = nn.gelu(nn.Dense(_BOTTLENECK, dtype=self.dtype)(tokens))
    x = x.reshape(len(x), -1)
    x = nn.gelu(nn.Dense(self.width, dtype=self.dtype)(x))
    return nn.Dense(6, dtype=jnp.float32)(x)
