"""Sums of Gaussians on a box, as matrix products.

A Gaussian is a product of three, one an axis, so all images together are one
trilinear sum over images m:

  density[i, j, k] = Σ_m w_m X[m, i] Y[m, j] Z[m, k]

which is a matrix product of X with the pairs Y Z. Two things make it cheaper:

- Low rank. Gaussians wider than the voxels span few dimensions: on 60 voxels
  of 10 Å all those of σ = 1 Å lie, to 3e-7, in a space of 24. The sum is done
  there, and the small result is spread over the voxels at the end.
- Slabs. Narrow Gaussians reach few planes: with the images sorted along x, a
  slab of planes needs but a window of them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.grids import BoxGrid

# Images a product; more are summed in turns, which bounds both the workspace
# and what rounding can add up to.
_CHUNK = 1024
_dot = functools.partial(jnp.matmul, precision='highest')


def box_density(
  centers: Float[Array, 'M 3'],
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  reach: Float[Array, ''],
  basis: Float[Array, 'G Q'] | None,
  grid: BoxGrid,
) -> Float[Array, 'G G G C']:
  """Σ_m w_m exp(-|r - r_m|² / 2σ²) at the voxels of a box.

  Args:
    centers: Where the images are, Å.
    weights: Their weights, zero in unused slots.
    sigma: Standard deviation, Å.
    reach: How far a Gaussian is followed, Å.
    basis: From `low_rank_basis`, or None.
    grid: The box. Static.
  """
  axis = jnp.asarray(grid.axis(), centers.dtype)
  if basis is not None:
    core = functools.partial(_product, axis=axis, sigma=sigma, basis=basis)
    cores = _in_chunks(core, centers, weights)
    spread = functools.partial(_spread, basis=basis)
    return jnp.moveaxis(jax.lax.map(spread, cores), 0, -1)
  # Accelerators have the arithmetic to spare, and no liking for branches.
  return jax.lax.platform_dependent(
    centers,
    weights,
    cpu=functools.partial(slab_product, axis=axis, sigma=sigma, reach=reach),
    default=functools.partial(plain_product, axis=axis, sigma=sigma),
  )


def slab_product(
  centers, weights, *, axis, sigma, reach
) -> Float[Array, 'G G G C']:
  """Slab by slab along x, each with the images that reach it."""
  form = functools.partial(_slabs, axis=axis, sigma=sigma, reach=reach)
  return _in_chunks(form, centers, weights)


def plain_product(centers, weights, *, axis, sigma) -> Float[Array, 'G G G C']:
  """All images on all voxels."""
  form = functools.partial(_product, axis=axis, sigma=sigma, basis=None)
  return jnp.moveaxis(_in_chunks(form, centers, weights), 0, -1)


@functools.lru_cache(maxsize=64)
def low_rank_basis(
  grid: BoxGrid, sigma: float, reach: float, tolerance: float
) -> np.ndarray | None:
  """Orthonormal [G, Q] that spans the Gaussians of one axis, on the host.

  Returns:
    None if they span most of the axis, so that there is nothing to gain.
  """
  if sigma < 0.8 * grid.spacing:
    return None
  half = grid.length / 2 + reach
  centers = np.linspace(-half, half, max(64, int(16 * half / sigma)))
  offset = (grid.axis()[:, None] - centers) / sigma
  gaussians = np.exp(-0.5 * offset**2)
  vectors = np.linalg.svd(gaussians, full_matrices=False)[0]
  for rank in range(8, int(0.6 * grid.size) + 1, 8):
    basis = vectors[:, :rank]
    missing = gaussians - basis @ (basis.T @ gaussians)
    if np.abs(missing).max() < tolerance:
      return basis
  return None


def _gaussians(axis, centers, sigma) -> Float[Array, 'M G']:
  """One axis of every image."""
  offset = (axis[None] - centers[:, None]) / sigma
  return jnp.exp(-0.5 * offset**2)


def _product(
  centers, weights, *, axis, sigma, basis
) -> Float[Array, 'C Q Q Q']:
  """The trilinear sum, in a basis of the axes or voxel by voxel."""
  x, y, z = (_gaussians(axis, c, sigma) for c in centers.T)
  if basis is not None:
    x, y, z = (_dot(factor, basis) for factor in (x, y, z))
  images, size = x.shape
  # einsum rather than a broadcast: its transpose is a batched product.
  pairs = jnp.einsum('mj,mk->mjk', y, z).reshape(images, -1)
  rows = jnp.einsum('mc,mi->mci', weights, x).reshape(images, -1)
  return _dot(rows.T, pairs).reshape(-1, size, size, size)


def _spread(core: Float[Array, 'Q Q Q'], *, basis) -> Float[Array, 'G G G']:
  """From a basis of each axis to its voxels."""
  voxels, rank = basis.shape
  density = jnp.einsum('jb,abc->ajc', basis, core, precision='highest')
  density = _dot(density.reshape(-1, rank), basis.T)
  return _dot(basis, density.reshape(rank, -1)).reshape((voxels,) * 3)


def _slabs(centers, weights, *, axis, sigma, reach) -> Float[Array, 'G G G C']:
  """`slab_product` of one chunk."""
  used = (weights != 0).any(-1)
  order = jnp.argsort(jnp.where(used, centers[:, 0], jnp.inf))
  centers, weights = centers[order], weights[order]
  along = jnp.where(used[order], centers[:, 0], jnp.inf)

  voxels, images = len(axis), len(centers)
  planes = max(p for p in range(1, voxels // 8 + 2) if voxels % p == 0)
  walls = axis.reshape(-1, planes)[:, jnp.array([0, -1])]
  start = jnp.searchsorted(along, walls[:, 0] - reach)
  count = jnp.searchsorted(along, walls[:, 1] + reach) - start

  offset = (axis[:, None, None] - centers.T[None]) / sigma
  x, y, z = jnp.moveaxis(jnp.exp(-0.5 * offset**2), 1, 0)  # [G, M]
  z = jnp.einsum('km,mc->kcm', z, weights).reshape(-1, images)

  # A window has one of eight lengths, each a product of its own.
  step = max(32, 8 * -(-images // 64))
  lengths = sorted({min(images, step * (i + 1)) for i in range(8)})

  def window(length, x, start):
    start = jnp.minimum(start, images - length)
    cut = functools.partial(
      jax.lax.dynamic_slice_in_dim,
      start_index=start,
      slice_size=length,
      axis=1,
    )
    pairs = (cut(x)[:, None] * cut(y)[None]).reshape(-1, length)
    return _dot(pairs, cut(z).T)

  def slab(args):
    x, start, count = args
    which = jnp.searchsorted(jnp.array(lengths), count)
    forms = [jax.checkpoint(functools.partial(window, n)) for n in lengths]
    return jax.lax.switch(which, forms, x, start)

  density = jax.lax.map(slab, (x.reshape(-1, planes, images), start, count))
  return density.reshape(voxels, voxels, voxels, -1)


def _in_chunks(form, centers, weights):
  """Adds up `form(centers, weights)` over chunks of images."""
  if len(centers) <= _CHUNK:
    return form(centers, weights)
  form = jax.checkpoint(form)
  chunks = []
  for array in (centers, weights):
    padded = jnp.pad(array, ((0, -len(array) % _CHUNK), (0, 0)))
    chunks.append(padded.reshape(-1, _CHUNK, array.shape[1]))
  first = form(*(chunk[0] for chunk in chunks))

  def add(total, chunk):
    return total + form(*chunk), None

  return jax.lax.scan(add, first, tuple(chunk[1:] for chunk in chunks))[0]
