"""Slow float64 NumPy references of the voxelizer: nothing shared with it."""

import itertools

import numpy as np

from crystal_jax.density.grids import BoxGrid


def voxel_points(grid, cell=None):
  """[G, G, G, 3] voxel positions, from the definition of the grids."""
  if isinstance(grid, BoxGrid):
    axis = (np.arange(grid.size) + 0.5) * grid.length / grid.size
    axis = axis - grid.length / 2
    return np.stack(np.meshgrid(axis, axis, axis, indexing='ij'), -1)
  axes = [np.arange(n) / n for n in grid.shape]
  fractional = np.stack(np.meshgrid(*axes, indexing='ij'), -1)
  return fractional @ np.asarray(cell, np.float64)


def all_images(positions, cell, points, reach):
  """Every image within `reach` of the points' bounding sphere: atoms, where."""
  positions = np.asarray(positions, np.float64)
  if cell is None:
    return np.arange(len(positions)), positions
  cell = np.asarray(cell, np.float64)
  middle = (points.reshape(-1, 3).min(0) + points.reshape(-1, 3).max(0)) / 2
  radius = np.linalg.norm(points.reshape(-1, 3) - middle, axis=1).max() + reach
  inverse = np.linalg.inv(cell)
  wrapped = positions - np.floor((positions - middle) @ inverse) @ cell
  extent = np.linalg.norm(inverse, axis=0) * radius + 1
  whole = [np.arange(-np.ceil(e), np.ceil(e) + 1) for e in extent]
  steps = np.array(list(itertools.product(*whole))) @ cell
  # Far translations first: a cell has a size.
  size = np.linalg.norm(cell, axis=1).sum()
  steps = steps[np.linalg.norm(steps, axis=1) <= radius + size]
  atoms, where = [], []
  for i, position in enumerate(wrapped):
    moved = position + steps
    near = np.linalg.norm(moved - middle, axis=1) <= radius
    where.append(moved[near])
    atoms.append(np.full(near.sum(), i))
  return np.concatenate(atoms), np.concatenate(where)


def density(positions, weights, cell, grid, sigma, reach=8.5):
  """Sum over all images within `reach` sigma, voxel by voxel."""
  weights = np.asarray(weights, np.float64)
  points = voxel_points(grid, cell)
  atoms, where = all_images(positions, cell, points, reach * sigma)
  flat = points.reshape(-1, 3)
  out = np.zeros((len(flat), *weights.shape[1:]))
  low, high = flat.min(0) - reach * sigma, flat.max(0) + reach * sigma
  for atom, position in zip(atoms, where, strict=True):
    if not np.any(weights[atom]) or np.any(
      (position < low) | (position > high)
    ):
      continue
    squares = ((flat - position) ** 2).sum(-1)
    value = np.exp(-0.5 * squares / sigma**2)
    out += value.reshape(-1, *(1,) * (out.ndim - 1)) * weights[atom]
  return out.reshape(*grid.shape, *weights.shape[1:]) / peak(1.0, sigma)


def band_limited(positions, weights, cell, grid, sigma):
  """The Fourier series up to the Nyquist frequency, at the voxels."""
  orders = [np.fft.fftfreq(n) * n for n in grid.shape]
  waves = np.stack(np.meshgrid(*orders, indexing='ij'), -1)
  waves = waves @ np.linalg.inv(cell).T
  factors = np.exp(-2j * np.pi * waves @ np.transpose(positions)) @ weights
  factors *= np.exp(-2 * (np.pi * sigma) ** 2 * (waves**2).sum(-1))
  volume = np.abs(np.linalg.det(cell))
  return np.fft.ifftn(factors).real * np.prod(grid.shape) / volume


def separable(positions, weights, cell, grid, sigma):
  """`band_limited` of an orthogonal cell: products of one line an axis."""
  lengths = np.linalg.norm(cell, axis=1)
  fractional = np.asarray(positions, np.float64) @ np.linalg.inv(cell)
  out = 0.0
  for place, weight in zip(fractional, np.asarray(weights), strict=True):
    lines = []
    for f, length, n in zip(place, lengths, grid.shape, strict=True):
      k = np.fft.fftfreq(n) * n
      phases = np.exp(2j * np.pi * np.outer(np.arange(n) / n - f, k))
      lines.append(phases @ np.exp(-2 * (np.pi * sigma * k / length) ** 2))
    # At Nyquist of an even n a line is complex; the density is the real part.
    product = np.einsum('x,y,z->xyz', *lines).real
    out += product.reshape(*product.shape, *(1,) * weight.ndim) * weight
  return out / lengths.prod()


def peak(weights, sigma):
  """Normalisation; `highest / peak` is the height of an atom on its spot."""
  return (2 * np.pi * sigma**2) ** 1.5 / np.max(np.abs(weights))


def labels(positions, numbers, cell, grid, radius=0.65):
  """The species of the nearest atom within `radius`, 0 where there is none."""
  points = voxel_points(grid, cell)
  atoms, where = all_images(positions, cell, points, radius)
  flat = points.reshape(-1, 3)
  nearest = np.full(len(flat), np.inf)
  out = np.zeros(len(flat), np.int32)
  for atom, position in zip(atoms, where, strict=True):
    if numbers[atom] == 0:
      continue
    distance = np.sqrt(((flat - position) ** 2).sum(-1))
    closer = (distance <= radius) & (distance < nearest - 1e-9)
    nearest[closer] = distance[closer]
    out[closer] = numbers[atom]
  return out.reshape(grid.shape)


def triclinic(lengths, angles):
  """Cell [3, 3] from lengths in Å and angles in degrees."""
  a, b, c = lengths
  alpha, beta, gamma = np.radians(angles)
  x = np.cos(beta)
  y = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
  return np.array(
    [
      [a, 0, 0],
      [b * np.cos(gamma), b * np.sin(gamma), 0],
      [c * x, c * y, c * np.sqrt(max(1 - x * x - y * y, 0.0))],
    ]
  )
