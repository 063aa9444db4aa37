"""A variational autoencoder of densities.

The encoder q(z|M) = N(mean, exp(log_var)) and the decoder M̂(z) of Hoffmann et
al. (arXiv:1909.00949): 3-D convolutions of growing width down to a small cube,
a latent, trilinear upsampling back, a ReLU at the end.

Two options are not in the paper. `fold` > 1 folds blocks of voxels into
channels at the entrance (see `blocks`), which is faster. `spatial` latents have
`latent` channels at each coarse voxel instead of one dense vector. With both
and a single level the network is initialised as a truncated cosine transform of
each block.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from crystal_jax.models import blocks


class VAE(nn.Module):
  """Density to latent and back.

  Attributes:
    size: Voxels a side, G.
    channels: Channels of the density, C.
    scale: Density that counts as one inside the network, weight per Å³.
    widths: Channels at each level; the side halves between levels.
    depth: Residual blocks a level.
    fold: Side of the blocks of voxels folded into channels; 1: none.
    latent: Length of the latent vector, or channels of a spatial latent.
    spatial: Whether the latent is one vector a coarse voxel.
    padding: 'circular' (CellGrid) or 'replicate' (BoxGrid).
    dtype: Type of the arithmetic; parameters stay float32.
  """

  size: int
  channels: int = 1
  scale: float = 1.0
  widths: tuple[int, ...] = (16, 32, 64, 128, 256)
  depth: int = 1
  fold: int = 1
  latent: int = 300
  spatial: bool = False
  padding: str = 'replicate'
  dtype: DTypeLike = jnp.float32

  def setup(self):
    """Builds the layers; called by flax."""
    common = dict[str, Any](padding=self.padding, dtype=self.dtype)
    self.entrance = nn.Dense(
      self.widths[0], dtype=self.dtype, kernel_init=self._cosines
    )
    self.down_blocks = [
      [blocks.ResBlock(w, **common) for _ in range(self.depth)]
      for w in self.widths
    ]
    self.downs = [
      blocks.Downsample(w, dtype=self.dtype) for w in self.widths[1:]
    ]
    self.to_mean = nn.Dense(
      self.latent, dtype=jnp.float32, kernel_init=self._first
    )
    # A narrow initial posterior, so that the decoder learns to use the latent
    # before the KL collapses it.
    self.to_log_var = nn.Dense(
      self.latent,
      dtype=jnp.float32,
      kernel_init=nn.initializers.zeros,
      bias_init=nn.initializers.constant(-8.0),
    )
    side = self.coarse_size
    from_latent = self.widths[-1] * (1 if self.spatial else side**3)
    self.from_latent = nn.Dense(
      from_latent, dtype=self.dtype, kernel_init=self._first
    )
    self.up_blocks = [
      [blocks.ResBlock(w, **common) for _ in range(self.depth)]
      for w in reversed(self.widths)
    ]
    self.ups = [blocks.Conv(w, **common) for w in reversed(self.widths[:-1])]
    self.exit = nn.Dense(
      self.fold**3 * self.channels,
      dtype=jnp.float32,
      kernel_init=lambda *args: self._cosines(args[0], args[1][::-1]).T,
    )

  def _cosines(self, key, shape, dtype=jnp.float32):
    """Initial kernel of the first layer: the lowest cosines per channel."""
    del key
    waves = blocks.cosines(self.fold, -(-shape[1] // self.channels))
    start = np.einsum('vw,cd->vcwd', waves, np.eye(self.channels))
    start = start.reshape(shape[0], -1)[:, : shape[1]]
    return jnp.asarray(start, dtype)

  def _first(self, key, shape, dtype=jnp.float32):
    """Initial kernel of a spatial latent: the identity."""
    if self.spatial:
      return jnp.eye(*shape, dtype=dtype)
    return nn.linear.default_kernel_init(key, shape, dtype)

  @property
  def padded_size(self) -> int:
    """Number of voxels a side after padding; each level halves it."""
    multiple = self.fold * 2 ** (len(self.widths) - 1)
    return -(-self.size // multiple) * multiple

  @property
  def coarse_size(self) -> int:
    """Number of voxels a side at the last level."""
    return self.padded_size // (self.fold * 2 ** (len(self.widths) - 1))

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Shape of one latent: (D,) or (g, g, g, D)."""
    return (*[self.coarse_size] * 3 * self.spatial, self.latent)

  def encode(
    self, density: Float[Array, 'B G G G C']
  ) -> tuple[Float[Array, 'B *L'], Float[Array, 'B *L']]:
    """Mean and log variance of q(z|M).

    Raises:
      ValueError: If the density is not of this network's size.
    """
    expected = (*[self.size] * 3, self.channels)
    if density.shape[1:] != expected:
      raise ValueError(f'Need [B, *{expected}], not {density.shape=}.')
    x = blocks.pad_to_multiple(
      density / self.scale, self.padded_size, self.padding
    )
    x = self.entrance(blocks.fold(x, self.fold))
    for level, level_blocks in enumerate(self.down_blocks):
      if level:
        x = self.downs[level - 1](x)
      for block in level_blocks:
        x = block(x)
    if not self.spatial:
      x = x.reshape(len(x), -1)
    return self.to_mean(x), jnp.clip(self.to_log_var(x), -20.0, 10.0)

  def decode(self, z: Float[Array, 'B *L']) -> Float[Array, 'B G G G C']:
    """The density decoded from a latent, not negative."""
    x = self.from_latent(z)
    x = x.reshape(len(z), *[self.coarse_size] * 3, self.widths[-1])
    for level, level_blocks in enumerate(self.up_blocks):
      if level:
        x = self.ups[level - 1](blocks.upsample(x, self.padding))
      for block in level_blocks:
        x = block(x)
    x = blocks.unfold(self.exit(x), self.fold)
    return self.scale * _relu(blocks.crop_to(x, self.size))

  def __call__(
    self, density: Float[Array, 'B G G G C'], noise: Float[Array, 'B *L']
  ) -> tuple[Array, Array, Array]:
    """Reconstruction, mean and log variance.

    Args:
      density: The density M.
      noise: Standard normal; z = mean + noise * exp(log_var / 2).
    """
    mean, log_var = self.encode(density)
    return self.decode(sample_latent(mean, log_var, noise)), mean, log_var


def _relu(x: Array) -> Array:
  """A ReLU with a small gradient below zero.

  Most of a density is empty, so training lowers the output at first; a plain
  ReLU that is negative everywhere would have no gradient.
  """
  leak = 0.1 * jnp.minimum(x, 0.0)
  return nn.relu(x) + leak - jax.lax.stop_gradient(leak)


def sample_latent(mean: Array, log_var: Array, noise: Array) -> Array:
  """The reparametrisation of Kingma and Welling (arXiv:1312.6114, eq. 10)."""
  return mean + noise * jnp.exp(0.5 * log_var)


def latent_noise(
  keys: Array, latent_shape: tuple[int, ...]
) -> Float[Array, 'B *L']:
  """Standard normal noise, one key for each example."""
  return jax.vmap(lambda key: jax.random.normal(key, latent_shape))(keys)
