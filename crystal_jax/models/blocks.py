"""Building blocks of convolutional networks on cubes of voxels.

Fields are `[B, G, G, G, C]`. `padding` continues a field beyond its faces:
`'circular'` for the periodic grid of a unit cell, `'replicate'`, which repeats
the last voxel, for a box.

`fold` and `unfold` exchange space for channels: a block of f³ voxels becomes
one voxel with f³ times the channels. A 3-D convolution over few voxels with
many channels is a large matrix product, which is fast on every processor; over
many voxels with few channels it is slow.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jax.typing import DTypeLike
from jaxtyping import Array, Float

PADDINGS = {'circular': 'wrap', 'replicate': 'edge'}


def pad_faces(
  x: Float[Array, 'B X Y Z C'], before: int, after: int, padding: str
) -> Float[Array, 'B X2 Y2 Z2 C']:
  """Adds voxels at every face.

  Raises:
    ValueError: If `padding` is unknown.
  """
  if padding not in PADDINGS:
    raise ValueError(f'Need {padding=} to be one of {sorted(PADDINGS)}.')
  widths = ((0, 0), *[(before, after)] * 3, (0, 0))
  return jnp.pad(x, widths, mode=PADDINGS[padding])


def pad_to_multiple(
  x: Float[Array, 'B G G G C'], multiple: int, padding: str
) -> Float[Array, 'B H H H C']:
  """Grows a field evenly until its side divides by `multiple` (60 to 64).

  Raises:
    ValueError: If a periodic field would grow, which breaks its period.
  """
  size = x.shape[1]
  spare = -size % multiple
  if spare and padding == 'circular':
    raise ValueError(
      f'A periodic field of {size} voxels a side cannot grow to a multiple of '
      f'{multiple}; choose a grid whose size is one.'
    )
  return pad_faces(x, spare // 2, spare - spare // 2, padding) if spare else x


def crop_to(
  x: Float[Array, 'B H H H C'], size: int
) -> Float[Array, 'B G G G C']:
  """The central cube of `size` voxels a side; inverse of `pad_to_multiple`."""
  start = (x.shape[1] - size) // 2
  window = slice(start, start + size)
  return x[:, window, window, window]


def fold(x: Float[Array, 'B G G G C'], f: int) -> Float[Array, 'B g g g D']:
  """Space to depth: D = f³ C, g = G / f."""
  if f == 1:
    return x
  b, g, _, _, c = x.shape
  x = x.reshape(b, g // f, f, g // f, f, g // f, f, c)
  x = x.transpose(0, 1, 3, 5, 2, 4, 6, 7)
  return x.reshape(b, g // f, g // f, g // f, f**3 * c)


def unfold(x: Float[Array, 'B g g g D'], f: int) -> Float[Array, 'B G G G C']:
  """Depth to space, the inverse of `fold`."""
  if f == 1:
    return x
  b, g, _, _, d = x.shape
  x = x.reshape(b, g, g, g, f, f, f, d // f**3)
  x = x.transpose(0, 1, 4, 2, 5, 3, 6, 7)
  return x.reshape(b, g * f, g * f, g * f, d // f**3)


def cosines(f: int, width: int) -> np.ndarray:
  """Orthonormal cosines of the lowest frequencies in a block of f³ voxels.

  A density of Gaussians is smooth, so a few of these describe most of a folded
  block: a better initial projection than random directions.

  Returns:
    Cosines as columns, [f³, width]; columns beyond f³ are zero.
  """
  waves = scipy.fft.dct(np.eye(f), axis=0, norm='ortho')
  basis = np.einsum('ax,by,cz->xyzabc', waves, waves, waves)
  basis = basis.reshape(f**3, f**3)
  frequency = np.square(np.indices((f, f, f))).sum(0).ravel()
  basis = basis[:, np.argsort(frequency, kind='stable')][:, :width]
  return np.pad(basis, ((0, 0), (0, width - basis.shape[1])))


def upsample(x: Float[Array, 'B G G G C'], padding: str) -> Array:
  """Trilinear upsampling by two, aligned at voxel blocks' centres."""
  b, g, _, _, c = x.shape
  padded = pad_faces(x, 1, 1, padding)
  shape = (b, *[2 * (g + 2)] * 3, c)
  return crop_to(jax.image.resize(padded, shape, 'linear'), 2 * g)


class Conv(nn.Module):
  """A 3³ convolution with the grid's padding."""

  width: int
  padding: str
  dtype: DTypeLike = jnp.float32
  zero: bool = False  # Whether the kernel is initialised with zeros.

  @nn.compact
  def __call__(self, x: Float[Array, 'B G G G C']) -> Array:
    """The convolved field."""
    x = pad_faces(x, 1, 1, self.padding)
    init = nn.initializers.zeros if self.zero else nn.linear.default_kernel_init
    return nn.Conv(
      self.width,
      (3, 3, 3),
      padding='VALID',
      kernel_init=init,
      dtype=self.dtype,
    )(x)


class Downsample(nn.Module):
  """Halves the side by a 2³ convolution of stride 2, without a shift."""

  width: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B G G G C']) -> Array:
    """The convolved field."""
    return nn.Conv(
      self.width, (2, 2, 2), strides=2, padding='VALID', dtype=self.dtype
    )(x)


class ResBlock(nn.Module):
  """Two normalised convolutions with a residual connection.

  The residual connection keeps the height of a density, which tells the species
  and which normalisation removes. The block is initialised as the identity.
  """

  width: int
  padding: str
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, 'B G G G C']) -> Array:
    """The convolved field."""
    h = x
    for last in (False, True):
      groups = min(8, h.shape[-1])
      h = nn.GroupNorm(groups, dtype=self.dtype)(h)
      conv = Conv(self.width, self.padding, self.dtype, zero=last)
      h = conv(nn.silu(h))
    if x.shape[-1] != self.width:
      x = nn.Dense(self.width, dtype=self.dtype)(x)
    return x + h


def scale_gradient(x: Array, scale: float) -> Array:
  """The identity, with `scale` times the gradient."""
  return scale * x + (1.0 - scale) * jax.lax.stop_gradient(x)
