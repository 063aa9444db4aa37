"""Sums of Gaussians on a box, as matrix products.

A Gaussian is a product of three, one an axis, so all images together are one
trilinear sum over images m:

  density[i, j, k] = Σ_m w_m X[m, i] Y[m, j] Z[m, k]

which is a matrix product of the pairs X Y with Z. Two things make it cheaper:

- Low rank. Gaussians wider than the voxels span few dimensions: on 60 voxels
  of 10 Å all those of σ = 1 Å lie, to 3e-7, in a space of 24. The sum is done
  there, and the small result is expanded to the voxels at the end.
- Slabs. Narrow Gaussians reach few planes: with the images sorted along x, a
  slab of planes needs a window of them only.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density.grids import BoxGrid
from crystal_jax.density.images import cutoff
from crystal_jax.density.precision import compensated_sum, dot, trilinear_sum
from crystal_jax.density.split import Split, split

# Maximum number of images of one product. More images are summed in chunks of
# _CHUNK, which limits the workspace and the rounding error. Also the base of
# sort keys.
_MAX_IMAGES = 1024
_CHUNK = 64


def box_density(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  reach: Float[Array, ''],
  basis: Float[Array, 'G Q'] | None,
  grid: BoxGrid,
) -> Float[Array, 'G G G C']:
  """Weight per Å³ at the voxels of a box.

  Args:
    centers: Positions of the images [M, 3], Å.
    weights: Their weights, zero in unused slots.
    sigma: Standard deviation, Å.
    reach: Distance beyond which a Gaussian is neglected, Å.
    basis: Result of `low_rank_basis`, or None.
    grid: The box. Static.
  """
  axis = split(grid.axis(), weights.dtype)
  weights = weights * ((2 * np.pi) ** -1.5 / sigma**3)
  plain = functools.partial(product, axis=axis, sigma=sigma, basis=basis)
  windowed = functools.partial(slabs, axis=axis, sigma=sigma, reach=reach)
  # On accelerators arithmetic is cheap and branches are slow.
  cpu = windowed if basis is None else plain
  block_density = functools.partial(
    jax.lax.platform_dependent, cpu=cpu, default=plain
  )

  def to_blocks(array):
    padded = jnp.pad(array, ((0, -len(array) % _CHUNK), (0, 0)))
    return padded.reshape(-1, _CHUNK, array.shape[1])

  if len(weights) <= _MAX_IMAGES:
    density = block_density(centers, weights)
  else:
    density = compensated_sum(
      block_density, *jax.tree.map(to_blocks, (centers, weights))
    )
  return density if basis is None else _expand(density, basis)


@functools.lru_cache(maxsize=256)
def low_rank_basis(
  grid: BoxGrid, sigma: float, max_images: int, dtype: np.dtype
) -> np.ndarray | None:
  """Orthonormal [G, Q] that spans the Gaussians of one axis, on the host.

  Returns:
    None where it would save nothing, because the Gaussians span most of the
    axis, or would round too much, because the density may be many peaks high.
  """
  reach = cutoff(sigma, dtype)
  peaks = max_images * (2.5 * sigma / (grid.length + 2 * reach)) ** 3
  if sigma < 0.8 * grid.spacing or not peaks < 6:  # nor where sigma is NaN
    return None
  half = grid.length / 2 + reach
  centers = np.linspace(-half, half, max(64, int(16 * half / sigma)))
  offset = (grid.axis()[:, None] - centers) / sigma
  gaussians = np.exp(-0.5 * offset**2)
  vectors = np.linalg.svd(gaussians, full_matrices=False)[0]
  for rank in range(8, int(0.6 * grid.size) + 1, 8):
    # The small terms of a sum come first, which rounds less.
    basis = vectors[:, rank - 1 :: -1]
    missing = gaussians - basis @ (basis.T @ gaussians)
    if np.abs(missing).max() < (1e-9 if dtype == np.float64 else 2e-7):
      return basis.astype(dtype)
  return None


def product(
  centers, weights, *, axis, sigma, basis=None
) -> Float[Array, 'Q Q Q C']:
  """The trilinear sum, in a basis of the axes or voxel by voxel."""
  x, y, z = _factors(centers, weights, axis, sigma, basis)
  return trilinear_sum(x, y, z).reshape(len(x), len(y), len(x), -1)


def _factors(
  centers, weights, axis, sigma, basis=None
) -> tuple[Float[Array, 'Q M'], Float[Array, 'Q M'], Float[Array, 'QC M']]:
  """The Gaussians of each axis; those along z with the weights."""
  columns = map(Split, *(part.T for part in centers))
  x, y, z = (_gaussians(axis, column, sigma) for column in columns)
  if basis is not None:
    x, y, z = (dot(basis.T, factor) for factor in (x, y, z))
  return x, y, jnp.einsum('km,mc->kcm', z, weights).reshape(-1, len(weights))


def _gaussians(a: Split, b: Split, sigma) -> Float[Array, 'A B']:
  """The Gaussian of every difference."""
  offset = jnp.subtract.outer(a.coarse, b.coarse)
  offset += jnp.subtract.outer(a.fine, b.fine)
  return jnp.exp(-0.5 * (offset / sigma) ** 2)


def slabs(centers, weights, *, axis, sigma, reach) -> Float[Array, 'G G G C']:
  """Density slab by slab along x, each with the images within reach."""
  points, images, voxels = axis.value, len(weights), len(axis.value)
  first, last = points[0] - reach, points[-1] + reach
  filled = (weights != 0).any(-1)
  along = jnp.where(filled, centers.value[:, 0], jnp.inf)
  # Position along x and index in one integer: it sorts faster than two arrays.
  rank = 2**20 * jnp.clip((along - first) / (last - first), 0, 1)
  keys = rank.astype(jnp.int32) * _MAX_IMAGES + jnp.arange(
    images, dtype=jnp.int32
  )
  order = jax.lax.sort(keys) % _MAX_IMAGES
  centers, weights = jax.tree.map(lambda a: a[order], (centers, weights))

  planes = max(p for p in range(1, voxels // 8 + 2) if voxels % p == 0)
  walls = points.reshape(-1, planes)
  # Comparing all with all is quicker than a search, which is a loop.
  start = (along[None] < walls[:, :1] - reach).sum(1)
  count = (along[None] < walls[:, -1:] + reach).sum(1) - start

  x, y, z = _factors(centers, weights, axis, sigma)
  columns = len(z)
  z = jnp.pad(z, ((0, -columns % 4), (0, 0)))  # 32 columns take less than 30

  def window(length, x, start):
    x, y_, z_ = (
      jax.lax.dynamic_slice_in_dim(factor, start, length, axis=1)
      for factor in (x, y, z)
    )
    return trilinear_sum(x, y_, z_)

  # A window has one of eight lengths, each with a product of its own. Branches
  # are recomputed in derivatives, which would otherwise keep memory for all
  # eight, and so are slabs, which would otherwise copy y and z.
  shares = np.array([2, 4, 5, 6, 7, 8, 11, 16]) / 16
  lengths = np.unique(np.minimum(8 * np.ceil(shares * images / 8), images))
  lengths = lengths.astype(int).tolist()
  forms = [jax.checkpoint(functools.partial(window, n)) for n in lengths]

  @jax.checkpoint
  def slab(args):
    x, start, count = args
    which = (count > np.array(lengths)).sum()
    return jax.lax.switch(which, forms, x, start)[:, :columns]

  density = jax.lax.map(slab, (x.reshape(-1, planes, images), start, count))
  return density.reshape(voxels, voxels, voxels, -1)


def _expand(cores: Float[Array, 'Q Q Q C'], basis) -> Float[Array, 'G G G C']:
  """Values at the voxels from coefficients in a basis of each axis."""
  voxels, rank = basis.shape

  def expand(core):
    # One einsum of all is three times slower at 128 voxels.
    density = jnp.einsum('jb,abc->ajc', basis, core, precision='highest')
    density = dot(density.reshape(-1, rank), basis.T)
    return dot(basis, density.reshape(rank, -1)).reshape((voxels,) * 3)

  return jnp.moveaxis(jax.lax.map(expand, jnp.moveaxis(cores, -1, 0)), 0, -1)
