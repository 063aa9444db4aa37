"""Normal equations of a cell: overlaps of its Gaussians.

The overlaps are summed over images, which is fast and exact for a grid that
resolves the Gaussians, or over the Fourier coefficients of a coarse
band-limited grid.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.decoding import box, fourier, peaks
from crystal_jax.density.precision import dot

# Distance up to which overlaps are summed, in σ: exp(-REACH² / 4) = 1e-5.
REACH = 6.8
# Maximum number of Fourier coefficients of a coarse grid that are summed over;
# limits time and memory of a fit. Chosen by hand.
MAX_COEFFICIENTS = 4096
# Neighbouring cells up to two away, those up to one away first; and a far one
# that adds nothing, so that their number is a multiple of nine.
_IMAGES = np.array(
  [
    *sorted(
      itertools.product(range(-2, 3), repeat=3), key=lambda n: max(map(abs, n))
    ),
    (99, 0, 0),
  ]
)


def normal(space, positions, weights):
  """JᵀJ of a `CellSpace`, the voxel sum replaced by the integral.

  The overlap of two Gaussians is a Gaussian √2 wider; its first and second
  derivatives are the other blocks.
  """
  var = space.sigma**2
  norm = (4 * np.pi * var) ** -1.5 * np.prod(space.grid.shape) / space.volume
  fractional = dot(positions, space.inverse)
  offset = fractional[:, None] - fractional[None]
  offset = dot(offset - jnp.round(offset), space.cell)

  # Images sheet by sheet, the nearest three of nine sheets first. After
  # wrapping, images outside of those three are 1.5 planes away.
  planes = jax.lax.rsqrt(jnp.sum(space.inverse**2, axis=0))
  wide = 1.5 * jnp.min(planes) > REACH * space.sigma
  sheets = dot(jnp.asarray(_IMAGES, offset.dtype), space.cell)
  sheets = sheets.reshape(-1, 9, 3)

  def add(i, total):
    image = sheets[i]
    d = [offset[None, :, :, i] + image[:, None, None, i] for i in range(3)]
    overlap = jnp.exp(-(d[0] ** 2 + d[1] ** 2 + d[2] ** 2) / (4 * var))
    moments = [overlap] + [overlap * x for x in d]
    moments += [moments[1] * d[0], moments[1] * d[1], moments[1] * d[2]]
    moments += [moments[2] * d[1], moments[2] * d[2], moments[3] * d[2]]
    return total + jnp.stack([jnp.sum(m, axis=0) for m in moments])

  sums = jnp.zeros((10, *offset.shape[:2]), offset.dtype)
  sums = norm * jax.lax.fori_loop(0, jnp.where(wide, 3, len(sheets)), add, sums)
  second = {(0, 0): 4, (0, 1): 5, (0, 2): 6, (1, 1): 7, (1, 2): 8, (2, 2): 9}

  def block(p, q):
    if p == q == 3:
      return sums[0]
    if q == 3:
      return -sums[1 + p] / (2 * var)
    bend = -sums[second[p, q]] / (4 * var**2)
    return bend + sums[0] / (2 * var) if p == q else bend

  return box.assemble_normal(block, weights)


def has_few_coefficients(space):
  """Whether `band_limited` can sum over all strong coefficients."""
  return jnp.sum(_strong(space)) <= MAX_COEFFICIENTS


def band_limited(space, positions, weights):
  """`normal`, summed over the strong Fourier coefficients."""
  index, is_filled, _ = peaks.compact(_strong(space), MAX_COEFFICIENTS)
  x, y, z = index.T
  orders = zip(space.orders(), index.T, strict=True)
  orders = jnp.stack([order[i] for order, i in orders], axis=-1)
  fractional = dot(positions, space.inverse)
  angles = -2 * jnp.pi * dot(orders, fractional.T)
  multiplicity = jnp.asarray(
    fourier.multiplicities(space.grid.shape[2]), angles.dtype
  )
  amplitudes = space.damping()[x, y, z]
  amplitudes = amplitudes * jnp.sqrt(
    multiplicity[z] * np.prod(space.grid.shape)
  )
  amplitudes = jnp.where(is_filled, amplitudes, 0)[:, None]
  re, im = amplitudes * jnp.cos(angles), amplitudes * jnp.sin(angles)
  slopes = -2 * jnp.pi * dot(orders, space.inverse.T)
  slopes = [weights[None] * slope[:, None] for slope in slopes.T]
  columns = jnp.block(
    [[*(-im * s for s in slopes), re], [*(re * s for s in slopes), im]]
  )
  return dot(columns.T, columns)


def _strong(space):
  """Coefficients whose squares contribute more than 1e-5, bool [X, Y, Z]."""
  return space.damping() * space.volume > 3e-3
