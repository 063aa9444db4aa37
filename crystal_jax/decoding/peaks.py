"""Where atoms may be: sharpened density, its local maxima, sub-voxel places.

Blurring by σ hides light atoms beside heavy ones. Deblurring brings them out,
as far as the noise of the density allows: the wanted density at a narrower
width s is the regularized inverse of the blur by √(σ² - s²). In a box that is
one small matrix an axis, which also sees a little way past the walls; on a
cell grid it is a filter in Fourier space.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax import grids
from crystal_jax.decoding import gaussians

# Narrower width over σ, and ridge, of each level of sharpening.
LEVELS = ((0.55, 1e-5), (0.7, 1e-3), (0.9, 3e-2))


@dataclasses.dataclass(frozen=True)
class Sharpener:
  """What one level of sharpening does on one grid.

  Attributes:
    width: Width that an atom is left with, Å.
    ridge: Weight of the smallness of the answer beside the misfit.
    margin: Voxels that the answer reaches past each wall (0: periodic).
  """

  width: float
  ridge: float
  margin: int


def sharpeners(grid, sigma: float) -> list[Sharpener]:
  """The levels, sharpest first."""
  margin = 0
  if isinstance(grid, grids.BoxGrid):
    margin = int(np.ceil(2 * sigma / grid.spacing))
  return [Sharpener(r * sigma, ridge, margin) for r, ridge in LEVELS]


def sharpen(density, cell, *, grid, sigma, sharpener):
  """The density as atoms of width `sharpener.width` would show it.

  Returns:
    [H, H, H] with H = G + 2 margin.
  """
  if isinstance(grid, grids.BoxGrid):
    matrix = _inverse_blur(grid, sigma, sharpener)
    return gaussians.separable(density, jnp.asarray(matrix, density.dtype))
  filtering = _inverse_filter(cell, grid, sigma, sharpener)
  spectrum = jnp.fft.rfftn(density) * filtering.astype(density.dtype)
  return jnp.fft.irfftn(spectrum, s=grid.shape, axes=(0, 1, 2))


def gain(cell, *, grid, sigma, sharpener):
  """What sharpening multiplies white noise with, root mean square."""
  if isinstance(grid, grids.BoxGrid):
    matrix = _inverse_blur(grid, sigma, sharpener)
    return np.sqrt(np.mean(np.sum(matrix**2, axis=1))) ** 3
  filtering = _inverse_filter(cell, grid, sigma, sharpener)
  return jnp.sqrt(jnp.mean(filtering**2))


def _inverse_filter(cell, grid, sigma, sharpener):
  """Wiener filter of the blur, on the frequencies of a real FFT."""
  width = np.sqrt(sigma**2 - sharpener.width**2)
  blur = gaussians.gaussian_spectrum(cell, grid.shape, width)
  return blur / (blur**2 + sharpener.ridge)


def _inverse_blur(grid, sigma, sharpener):
  """Ridge regression of a sharp line of density, walls included: [H, G]."""
  h = grid.spacing
  wide = np.arange(-sharpener.margin, grid.size + sharpener.margin) * h
  axis = np.arange(grid.size) * h
  var = sigma**2 - sharpener.width**2
  blur = np.exp(-0.5 * (axis[:, None] - wide[None, :]) ** 2 / var)
  blur *= h / np.sqrt(2 * np.pi * var)
  normal = blur.T @ blur + sharpener.ridge * np.eye(len(wide))
  return np.linalg.solve(normal, blur.T)


def white_noise(density, *, periodic: bool):
  """Standard deviation of the white noise in a smooth density, robustly."""
  second = density
  for axis in range(3):
    second = jnp.roll(second, 1, axis) - 2 * second + jnp.roll(second, -1, axis)
  if not periodic:
    second = second[1:-1, 1:-1, 1:-1]
  # A coarse sample is enough for a median, which sorts.
  return jnp.median(jnp.abs(second[::2, ::2, ::2])) / (0.6745 * 6**1.5)


def maxima(field, threshold, slots: int, *, periodic: bool):
  """The voxels above a threshold and above their 26 neighbours.

  Args:
    field: [H, H, H].
    threshold: A scalar.
    slots: Most maxima that come back, the highest ones. Static.
    periodic: Whether the neighbours wrap around. At an open wall a voxel need
      only be above the neighbours that it has.

  Returns:
    Sub-voxel indices [slots, 3], heights [slots] (0 in empty slots), and how
    many there were.
  """
  shape = field.shape
  # Twins of exact symmetry: a tilt of a few units in the last place decides.
  tilt = jnp.zeros(shape, field.dtype)
  for axis, size in enumerate(shape):
    ramp = jnp.arange(size, dtype=field.dtype) * (1e-5 / (1 + axis) / size)
    tilt = tilt + ramp.reshape([-1 if i == axis else 1 for i in range(3)])
  tilted = field * (1 + tilt)
  highest = tilted
  for axis in range(3):
    highest = _max3(highest, axis, periodic)
  is_peak = (tilted >= highest) & (field > threshold)
  spare = 4 * slots
  flat = is_peak.reshape(-1)
  order = jnp.cumsum(flat)
  count = order[-1]
  index = jnp.searchsorted(order, jnp.arange(1, spare + 1)).astype(jnp.int32)
  found = jnp.arange(spare) < count
  index = jnp.where(found, index, 0)
  heights = jnp.where(found, field.reshape(-1)[index], 0)
  best = jnp.argsort(-heights)[:slots]
  index, heights = index[best], heights[best]
  whole = jnp.stack(jnp.unravel_index(index, shape), axis=-1)
  return whole + _offsets(field, whole, periodic), heights, count


def _max3(field, axis, periodic):
  size = field.shape[axis]
  if periodic:
    before, after = jnp.roll(field, 1, axis), jnp.roll(field, -1, axis)
  else:
    take = lambda index: jnp.take(field, index, axis=axis)  # noqa: E731
    before = take(np.r_[0, np.arange(size - 1)])
    after = take(np.r_[np.arange(1, size), size - 1])
  return jnp.maximum(field, jnp.maximum(before, after))


def _offsets(field, whole, periodic) -> Float[Array, 'K 3']:
  """Vertex of a parabola through the neighbours along each axis, voxels."""
  offsets = []
  middle = field[tuple(whole.T)]
  for axis, size in enumerate(field.shape):
    step = np.eye(3, dtype=np.int32)[axis][None]
    if periodic:
      low, high = (whole - step) % size, (whole + step) % size
    else:
      low, high = (
        jnp.maximum(whole - step, 0),
        jnp.minimum(whole + step, size - 1),
      )
    below, above = field[tuple(low.T)], field[tuple(high.T)]
    bend = 2 * middle - below - above
    shift = 0.5 * (above - below) / jnp.where(bend > 0, bend, 1)
    offsets.append(jnp.where(bend > 0, jnp.clip(shift, -0.5, 0.5), 0))
  return jnp.stack(offsets, axis=-1)


def to_cartesian(index, cell, *, grid, margin: int):
  """Å from (fractional) voxel indices of a field with a margin."""
  if isinstance(grid, grids.BoxGrid):
    return (index - margin + 0.5) * grid.spacing - grid.length / 2
  return (index / jnp.asarray(grid.shape, index.dtype)[None]) @ cell
