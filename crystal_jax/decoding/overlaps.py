"""Normal equations of a cell as overlaps of Gaussians, summed over images."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.decoding import box

# Images of a pair that can overlap: two cells either way, after wrapping.
_IMAGES = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))


def normal(space, positions, weights):
  """JᵀJ of a `CellSpace`, the voxel sum replaced by the integral.

  The overlap of two Gaussians is a Gaussian √2 wider; its slopes and bends
  are the other blocks.
  """
  var = space.sigma**2
  norm = (4 * np.pi * var) ** -1.5 * np.prod(space.grid.shape) / space.volume
  fractional = box.dot(positions, space.inverse)
  apart = fractional[:, None] - fractional[None]
  apart = box.dot(apart - jnp.round(apart), space.cell)
  images = box.dot(jnp.asarray(_IMAGES, apart.dtype), space.cell)

  def add(total, image):  # [25, 3]: a sheet of images
    d = [apart[None, :, :, i] + image[:, None, None, i] for i in range(3)]
    overlap = jnp.exp(-(d[0] ** 2 + d[1] ** 2 + d[2] ** 2) / (4 * var))
    moments = [overlap] + [overlap * x for x in d]
    moments += [moments[1] * d[0], moments[1] * d[1], moments[1] * d[2]]
    moments += [moments[2] * d[1], moments[2] * d[2], moments[3] * d[2]]
    return total + jnp.stack([jnp.sum(m, axis=0) for m in moments]), None

  zero = jnp.zeros((10, *apart.shape[:2]), apart.dtype)
  sums, _ = jax.lax.scan(add, zero, images.reshape(5, 25, 3))
  sums = sums * norm
  second = {(0, 0): 4, (0, 1): 5, (0, 2): 6, (1, 1): 7, (1, 2): 8, (2, 2): 9}

  def block(p, q):
    if p == q == 3:
      return sums[0]
    if q == 3:
      return -sums[1 + p] / (2 * var)
    bend = -sums[second[p, q]] / (4 * var**2)
    return bend + sums[0] / (2 * var) if p == q else bend

  return box.assemble_normal(block, weights)
