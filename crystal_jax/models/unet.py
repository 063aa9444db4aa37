"""An attention U-Net that reads the species off a density.

Each voxel gets a score for each of 95 classes: 0 is the background, Z is the
element of atomic number Z. Levels of 64-128-256-512-1024 channels with gated
skips, after Hoffmann et al. (arXiv:1909.00949) and Oktay et al.
(arXiv:1804.03999). With `fold` > 1 the levels work on folded voxels, and the
scores are made at full resolution from unfolded features beside the density.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from crystal_jax.models import blocks

NUM_CLASSES = 95


class UNet(nn.Module):
  """Density to species scores.

  Attributes:
    scale: Density that counts as one inside the network, weight per Å³.
    widths: Channels at each level; the side halves between levels.
    depth: Residual blocks a level, on each side.
    fold: Side of the blocks of voxels folded into channels; 1: none.
    features: Channels at full resolution, before the scores.
    padding: 'circular' (CellGrid) or 'replicate' (BoxGrid).
    dtype: Of the arithmetic; parameters stay float32.
  """

  scale: float = 1.0
  widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
  depth: int = 1
  fold: int = 1
  features: int = 32
  padding: str = 'replicate'
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self, density: Float[Array, 'B G G G C']
  ) -> Float[Array, 'B G G G K']:
    """Scores (logits) of each class at each voxel."""
    common = dict(padding=self.padding, dtype=self.dtype)
    size = density.shape[1]
    multiple = self.fold * 2 ** (len(self.widths) - 1)
    full = blocks.pad_to_multiple(
      density / self.scale, multiple, self.padding
    )
    # Linear and logarithmic: lead and hydrogen both leave a mark.
    full = jnp.concatenate([full, jnp.log1p(30.0 * nn.relu(full))], axis=-1)
    x = nn.Dense(self.widths[0], dtype=self.dtype)(blocks.fold(full, self.fold))
    skips = []
    for level, width in enumerate(self.widths):
      if level:
        skips.append(x)
        x = blocks.Downsample(width, dtype=self.dtype)(x)
      for _ in range(self.depth):
        x = blocks.ResBlock(width, **common)(x)
    for width, skip in zip(reversed(self.widths[:-1]), reversed(skips)):
      x = blocks.Conv(width, **common)(blocks.upsample(x, self.padding))
      skip = AttentionGate(width, dtype=self.dtype)(skip, x)
      x = jnp.concatenate([x, skip], axis=-1)
      for _ in range(self.depth):
        x = blocks.ResBlock(width, **common)(x)
    x = nn.Dense(self.fold**3 * self.features, dtype=self.dtype)(x)
    x = jnp.concatenate(
      [blocks.unfold(x, self.fold), full.astype(self.dtype)], axis=-1
    )
    x = blocks.crop_to(x, size)
    x = nn.silu(nn.Dense(self.features, dtype=self.dtype)(x))
    return nn.Dense(NUM_CLASSES, dtype=jnp.float32)(x)


class AttentionGate(nn.Module):
  """Lets through of a skip what the coarser level finds relevant."""

  width: int
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, skip: Array, gate: Array) -> Array:
    inner = max(self.width // 2, 1)
    h = nn.Dense(inner, dtype=self.dtype)(skip)
    h = h + nn.Dense(inner, dtype=self.dtype)(gate)
    return skip * nn.sigmoid(nn.Dense(1, dtype=self.dtype)(nn.relu(h)))
