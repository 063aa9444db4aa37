"""Peers that `voxelize` is timed against: the same sum of Gaussians.

Each peer takes images and their weights and returns two functions: one to time,
and one that returns its density for a check (or None).
"""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.density.image_counts import ladder


def pad(array, slots):
  """Zeros behind, up to a number of slots, float32."""
  array = np.asarray(array, np.float32)
  spare = [(0, slots - len(array))] + [(0, 0)] * (array.ndim - 1)
  return jnp.asarray(np.pad(array, spare))


def load_peers():
  makers = {
    'libmolgrid': ('molgrid', molgrid_peer),
    'cryojax': ('cryojax', cryojax_peer),
    'numba': ('numba', numba_peer),
  }
  peers, missing = {}, []
  for name, (module, make) in makers.items():
    try:
      importlib.import_module(module)
    except ImportError as problem:
      missing.append(f'{name} ({problem})')
    else:
      peers[name] = make
  return peers | {'jnp.einsum': einsum_peer, 'numpy': numpy_peer}, missing


def molgrid_peer(centers, weights, grid, sigma):
  import molgrid

  count, size = len(centers), grid.size
  # Its Gaussian is exp(-2 d²/r²) out to 2.75 r: r is 2 σ.
  maker = molgrid.GridMaker(
    grid.spacing, grid.length - grid.spacing, False, False, 1.0, 2.75
  )
  where = molgrid.MGrid2f(count, 3)
  types = molgrid.MGrid2f(count, 1)
  radii = molgrid.MGrid1f(count)
  out = molgrid.MGrid4f(1, size, size, size)
  for i in range(count):
    for k in range(3):
      where[i][k] = float(centers[i, k])
    types[i][0] = float(weights[i] * (2 * np.pi * sigma**2) ** -1.5)
    radii[i] = 2 * sigma
  origin = molgrid.float3(0, 0, 0)

  def run():
    maker.forward(origin, where.cpu(), types.cpu(), radii.cpu(), out.cpu())

  return run, None  # read voxel by voxel: checked once, by hand


@functools.cache
def cryojax_render(shape, spacing, variance):
  from cryojax import simulator

  render = simulator.GaussianMixtureRenderFn(shape, spacing)

  def run(centers, weights):
    return render(simulator.GaussianMixtureVolume(centers, weights, variance))

  return jax.jit(run)


def cryojax_peer(centers, weights, grid, sigma):
  most = ladder(len(centers))
  run = cryojax_render(grid.shape, grid.spacing, sigma**2)
  args = pad(centers, most), pad(weights, most)
  return lambda: run(*args), None  # it averages over a voxel: not the same sum


@functools.partial(jax.jit, static_argnums=(2, 3))
def einsum(centers, weights, grid, sigma):
  axis = jnp.asarray(grid.axis(), jnp.float32)
  offset = (axis[:, None, None] - centers[None]) / sigma
  x, y, z = jnp.moveaxis(jnp.exp(-0.5 * offset**2), -1, 0)
  x *= weights[None] * (2 * np.pi * sigma**2) ** -1.5
  return jnp.einsum('im,jm,km->ijk', x, y, z)


def einsum_peer(centers, weights, grid, sigma):
  most = ladder(len(centers))
  args = pad(centers, most), pad(weights, most), grid, sigma
  return lambda: einsum(*args), lambda: np.asarray(einsum(*args))


def numpy_peer(centers, weights, grid, sigma):
  def run():
    axis = grid.axis().astype(np.float32)
    offset = (axis[:, None, None] - centers[None]) / np.float32(sigma)
    x, y, z = np.moveaxis(np.exp(-0.5 * offset**2), -1, 0)
    x = x * (weights * (2 * np.pi * sigma**2) ** -1.5).astype(np.float32)
    pairs = (x[:, None] * y[None]).reshape(-1, len(centers))
    return (pairs @ z.T).reshape(grid.shape)

  return run, run


def numba_peer(centers, weights, grid, sigma):
  splat = numba_splat()
  scaled = (weights * (2 * np.pi * sigma**2) ** -1.5).astype(np.float32)
  axis = grid.axis().astype(np.float32)
  run = functools.partial(
    splat, centers, scaled, axis, np.float32(sigma), np.float32(5.5 * sigma)
  )
  return run, run


@functools.cache
def numba_splat():
  import numba

  @numba.njit(fastmath=True)
  def splat(centers, weights, axis, sigma, reach):
    size, spacing = len(axis), axis[1] - axis[0]
    out = np.zeros((size, size, size), np.float32)
    factor = np.zeros((3, size), np.float32)
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for m in range(len(centers)):
      for d in range(3):
        first = (centers[m, d] - reach - axis[0]) / spacing
        last = (centers[m, d] + reach - axis[0]) / spacing
        low[d] = max(0, int(np.ceil(first)))
        high[d] = min(size - 1, int(np.floor(last)))
        for i in range(low[d], high[d] + 1):
          t = (axis[i] - centers[m, d]) / sigma
          factor[d, i] = np.exp(np.float32(-0.5) * t * t)
      for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
          xy = weights[m] * factor[0, i] * factor[1, j]
          for k in range(low[2], high[2] + 1):
            out[i, j, k] += xy * factor[2, k]
    return out

  return splat


def numpy_cell(positions, numbers, cell, size, sigma):
  """Structure factors by a matrix product, then irfftn."""
  inverse = np.linalg.inv(cell)
  fractional = (positions @ inverse).astype(np.float32)
  n = np.fft.fftfreq(size) * size
  orders = [n, n, n[: size // 2 + 1]]
  x, y, z = (
    np.exp(-2j * np.pi * np.outer(fractional[:, i], n)).astype(np.complex64)
    for i, n in enumerate(orders)
  )
  pairs = (y[:, :, None] * z[:, None]).reshape(len(numbers), -1)
  factors = ((x * numbers[:, None].astype(np.float32)).T @ pairs).reshape(
    size, size, -1
  )
  waves = [np.outer(n, inverse.T[i]) for i, n in enumerate(orders)]
  squares = 0.0
  for i in range(3):
    a, b, c = (wave[:, i].astype(np.float32) for wave in waves)
    squares = squares + (a[:, None, None] + b[None, :, None] + c) ** 2
  envelope = np.exp(np.float32(-2 * (np.pi * sigma) ** 2) * squares)
  density = np.fft.irfftn(factors * envelope, (size,) * 3, axes=(0, 1, 2))
  return density * (size**3 / abs(np.linalg.det(cell)))
