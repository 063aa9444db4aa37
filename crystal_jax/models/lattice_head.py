"""The six degrees of freedom that the paper left out, read off the latent.

The target is the Niggli-reduced cell: its three lengths over N^(1/3), in Å,
and the cosines of its three angles. `N` is the atoms of that cell.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

# Numbers of a token that a lattice is read from.
_NARROW = 16


class LatticeHead(nn.Module):
  """Latent to three scaled lengths and three cosines.

  Attributes:
    width: Channels of the hidden layers.
    dtype: Of the arithmetic; parameters stay float32.
  """

  width: int = 256
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, latent: Float[Array, 'B *L']) -> Float[Array, 'B 6']:
    """Lengths / N^(1/3) (Å, positive) and cosines (-1 to 1)."""
    x = nn.silu(nn.Dense(self.width, dtype=self.dtype)(latent))
    # A spatial latent: the lattice is the same wherever one looks.
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
    dtype: Of the arithmetic; parameters stay float32.
  """

  width: int = 256
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, tokens: Float[Array, 'B T W']) -> Float[Array, 'B 6']:
    """Six numbers of deviation one; where a token lies tells much."""
    x = nn.gelu(nn.Dense(_NARROW, dtype=self.dtype)(tokens))
    x = x.reshape(len(x), -1)
    x = nn.gelu(nn.Dense(self.width, dtype=self.dtype)(x))
    return nn.Dense(6, dtype=jnp.float32)(x)
