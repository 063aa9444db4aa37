"""Attention U-Net from a density to species.

Each voxel gets a score for each of 95 classes: 0 is the background, Z is the
element of atomic number Z. Levels of 64-128-256-512-1024 channels with gated
skips, after Hoffmann et al. (arXiv:1909.00949) and Oktay et al.
(arXiv:1804.03999). With `fold` > 1 the levels work on folded voxels, and the
scores are computed at full resolution from unfolded features and the density.

Two features are computed exactly (`height_and_distance`): the height of the
Gaussian under each voxel and the voxel's distance from its centre. For an
isolated atom these give its atomic number and its distance.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from crystal_jax.models import blocks
from crystal_jax.structure.elements import NUM_CLASSES, UNIT_NUMBER

# Ranges of the bins of heights, log(Z / UNIT_NUMBER), and of distances, r²/2σ².
# Hydrogen has a height of -3.4, plutonium of 1.14.
HEIGHTS, DISTANCES = (-3.8, 1.4), (0.0, 3.0)
# Density, in units of the peak of `UNIT_NUMBER`, below which a voxel counts as
# empty; the peak of hydrogen is 3e-2.
EMPTY = 2e-3


class UNet(nn.Module):
  """Density to species scores.

  Attributes:
    peak: Peak density of an isolated atom of weight one, per Å³. That of
      `UNIT_NUMBER` counts as one inside the network.
    widths: Channels at each level; the side halves between levels.
    depth: Residual blocks a level, on each side.
    fold: Side of the blocks of voxels folded into channels; 1: none.
    features: Channels at full resolution, before the scores.
    sigma_voxels: Standard deviation of an atom in voxels.
    padding: 'circular' (CellGrid) or 'replicate' (BoxGrid).
    dtype: Type of the arithmetic; parameters stay float32.
  """

  peak: float = 1.0 / UNIT_NUMBER
  widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
  depth: int = 1
  fold: int = 1
  features: int = 32
  sigma_voxels: float = 1.5
  padding: str = 'replicate'
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    density: Float[Array, 'B G G G C'],
    voxels: Int[Array, 'V'] | None = None,
  ) -> Float[Array, 'B G G G K'] | Float[Array, 'B V K']:
    """Logits of each class, at all or at the given voxels.

    Args:
      density: The density, weight per Å³.
      voxels: Indices into the flattened grid; None: all. The logits are most
        of the work at full resolution, and a loss needs only a sample of them.
    """
    common = dict[str, Any](padding=self.padding, dtype=self.dtype)
    size = density.shape[1]
    multiple = self.fold * 2 ** (len(self.widths) - 1)
    density = density / (UNIT_NUMBER * self.peak)
    full = blocks.pad_to_multiple(density, multiple, self.padding)
    # Linear and logarithmic, for heavy and for light elements.
    full = jnp.concatenate([full, jnp.log1p(30.0 * nn.relu(full))], axis=-1)
    x = nn.Dense(self.widths[0], dtype=self.dtype)(blocks.fold(full, self.fold))
    skips = []
    for level, width in enumerate(self.widths):
      if level:
        skips.append(x)
        x = blocks.Downsample(width, dtype=self.dtype)(x)
      for _ in range(self.depth):
        x = blocks.ResBlock(width, **common)(x)
    for width, skip in zip(self.widths[-2::-1], skips[::-1], strict=True):
      x = blocks.Conv(width, **common)(blocks.upsample(x, self.padding))
      skip = AttentionGate(width, dtype=self.dtype)(skip, x)
      x = jnp.concatenate([x, skip], axis=-1)
      for _ in range(self.depth):
        x = blocks.ResBlock(width, **common)(x)
    x = nn.Dense(self.fold**3 * self.features, dtype=self.dtype)(x)
    x = jnp.concatenate(
      [blocks.unfold(x, self.fold), full.astype(self.dtype)], axis=-1
    )
    height, distance = height_and_distance(
      density[..., :1], self.sigma_voxels, self.padding
    )
    x = blocks.crop_to(x, size)
    x = jnp.concatenate([x, height, distance], axis=-1)
    if voxels is not None:
      x = x.reshape(len(x), size**3, -1)[:, voxels]
    height, distance = x[..., -2:-1], x[..., -1:]
    x = nn.silu(nn.Dense(self.features, dtype=self.dtype)(x))
    # A linear layer then separates elements by height, and atoms from the
    # background by distance.
    x = jnp.concatenate(
      [
        x,
        _histogram(height, *HEIGHTS, 48),
        _histogram(distance, *DISTANCES, 16),
      ],
      axis=-1,
    )
    return nn.Dense(
      NUM_CLASSES, dtype=jnp.float32, kernel_init=nn.initializers.zeros
    )(x)


def height_and_distance(
  density: Float[Array, 'B G G G 1'], sigma_voxels: float, padding: str
) -> tuple[Float[Array, 'B G G G 1'], Float[Array, 'B G G G 1']]:
  """Height (log h) and distance (r²/2σ²) of the Gaussian under each voxel.

  Empty space is as flat as the centre of an atom, and far more common. With a
  small distance there, flat would mean background, and so would the centre of
  an atom of a rare height. Empty voxels therefore get the largest distance.

  Args:
    density: The density, in units of the peak of `UNIT_NUMBER`.
    sigma_voxels: σ, voxels.
    padding: Continuation of the density beyond the faces; see `blocks`.
  """
  density = nn.relu(density)
  log = jnp.log(density + EMPTY)
  descent = log_descent(log, sigma_voxels, padding)
  emptiness = jnp.square(EMPTY / (density + EMPTY))
  return log + descent, descent + DISTANCES[1] * emptiness


def log_descent(
  log: Float[Array, 'B G G G 1'], sigma_voxels: float, padding: str
) -> Float[Array, 'B G G G 1']:
  """Difference of log M between the centre of a Gaussian and each voxel.

  For an isolated atom log M = log h - r²/2σ² and |∇ log M| = r/σ², so that
  σ² |∇ log M|² / 2 = r²/2σ² gives the distance r, and with log M the height h.
  Differences of second order are exact for it, also at the faces of a box,
  where they are one-sided. Voxels are cubes.

  Args:
    log: log M.
    sigma_voxels: σ, voxels.
    padding: Continuation of the density beyond the faces; see `blocks`.
  """
  x, y, z = (jnp.square(_slope(log, axis, padding)) for axis in (1, 2, 3))
  return 0.5 * sigma_voxels**2 * (x + y + z)


def _slope(field, axis, padding):
  """Derivative along an axis by second-order differences, per voxel."""
  if padding == 'circular':
    return 0.5 * (jnp.roll(field, -1, axis) - jnp.roll(field, 1, axis))
  x = jnp.moveaxis(field, axis, 0)
  first = -3.0 * x[:1] + 4.0 * x[1:2] - x[2:3]
  last = 3.0 * x[-1:] - 4.0 * x[-2:-1] + x[-3:-2]
  slope = 0.5 * jnp.concatenate([first, x[2:] - x[:-2], last])
  return jnp.moveaxis(slope, 0, axis)


def _histogram(x, low, high, bins):
  """Soft bins of the last axis, [..., bins].

  Only a few bins are active, so their values are large.
  """
  centres = jnp.linspace(low, high, bins)
  centres = centres.reshape(*[1] * (x.ndim - 1), bins)
  width = (high - low) / (bins - 1)
  offsets = (x.astype(jnp.float32) - centres) / width
  return (50.0 * jnp.exp(-jnp.square(offsets))).astype(x.dtype)


class AttentionGate(nn.Module):
  """Weights a skip connection by attention from the coarser level."""

  width: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, skip: Array, gate: Array) -> Array:
    """The weighted skip connection."""
    inner = max(self.width // 2, 1)
    h = nn.Dense(inner, dtype=self.dtype)(skip)
    h = h + nn.Dense(inner, dtype=self.dtype)(gate)
    return skip * nn.sigmoid(nn.Dense(1, dtype=self.dtype)(nn.relu(h)))
