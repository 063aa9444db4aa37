"""Seeds of atoms in a field: noise, local maxima, sub-voxel positions."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def white_noise(density: Float[Array, 'X Y Z']) -> Float[Array, '']:
  """Standard deviation of the white noise in a smooth density.

  The median of |δx² δy² δz² M|, which is small for a smooth M, on every other
  voxel of an axis.
  """
  field = density
  for _ in range(3):  # each pass halves an axis and moves it in front
    field = jnp.moveaxis(field, -1, 0)
    n = (len(field) - 1) // 2
    field = field[: 2 * n + 1]
    field = field[:-2:2] - 2 * field[1:-1:2] + field[2::2]
  return spread(field) / 6**1.5


def spread(field: Float[Array, 'X Y Z']) -> Float[Array, '']:
  """Standard deviation of a field without its peaks, from the median."""
  sample = jnp.abs(field).reshape(-1)
  sample = sample[:: max(1, len(sample) // 1000)]
  return jnp.median(sample) / 0.6745


def maxima(
  field: Float[Array, 'X Y Z'],
  threshold: Float[Array, ''] | float,
  slots: int,
  *,
  periodic: bool,
) -> tuple[Float[Array, 'K 3'], Float[Array, 'K'], Int[Array, '']]:
  """The voxels above a threshold and above their 26 neighbours.

  Args:
    field: The field.
    threshold: Maxima must be higher than this.
    slots: Number of maxima that are returned, the highest ones. Static.
    periodic: Whether the neighbours wrap around. At an open wall a voxel has
      fewer neighbours.

  Returns:
    Sub-voxel indices, highest maximum first; heights (0 in empty slots); and
    the number of maxima found.
  """
  # A tilt of a few units in the last place decides between equal neighbours.
  ramps = [
    jnp.arange(n, dtype=field.dtype) * (1e-5 / (1 + axis) / n)
    for axis, n in enumerate(field.shape)
  ]
  tilt = (1 + ramps[0])[:, None, None] + ramps[1][None, :, None]
  tilted = field * (tilt + ramps[2][None, None])
  is_peak = (tilted >= _highest(tilted, periodic)) & (field > threshold)
  whole, found, count = compact(is_peak, 2 * slots)
  heights = jnp.where(found, field[tuple(whole.T)], 0)
  best = jnp.argsort(-heights)[:slots]
  whole, heights = whole[best], heights[best]
  return whole + _offsets(field, whole, periodic), heights, count


def compact(flags, slots):
  """Indices [slots, 3] of the first True voxels, and which slots are filled.

  Finds the rows first, then the positions within rows: a running sum over all
  voxels would cost more than the rest of the module.

  Returns:
    Indices, bool [slots], and the number of True voxels.
  """
  x, y, z = flags.shape
  lines = flags.reshape(x * y, z)
  before = jnp.cumsum(jnp.sum(lines, axis=1))
  wanted = jnp.arange(slots)
  row = jnp.searchsorted(before, wanted, side='right')
  row = jnp.minimum(row, x * y - 1).astype(jnp.int32)
  line = lines[row]
  rank = wanted - (before[row] - jnp.sum(line, axis=1))
  column = jnp.sum(jnp.cumsum(line, axis=1) <= rank[:, None], axis=1)
  column = jnp.minimum(column, z - 1).astype(jnp.int32)
  whole = jnp.stack([row // y, row % y, column], axis=-1)
  return whole, wanted < before[-1], before[-1]


def _highest(field, periodic):
  """Maximum of each voxel and its 26 neighbours, axis by axis."""
  if periodic:
    field = jnp.pad(field, 1, mode='wrap')
  else:
    field = jnp.pad(field, 1, constant_values=-jnp.inf)
  for axis in range(3):
    before, here, after = (
      jax.lax.slice_in_dim(field, i, field.shape[axis] - 2 + i, axis=axis)
      for i in range(3)
    )
    # `jnp.maximum` checks for NaN, which takes twice the time.
    field = jnp.where(before > after, before, after)
    field = jnp.where(here > field, here, field)
  return field


def _offsets(field, whole, periodic) -> Float[Array, 'K 3']:
  """Vertex of a parabola through the neighbours along each axis, voxels."""
  offsets = []
  middle = field[tuple(whole.T)]
  for axis, size in enumerate(field.shape):
    step = np.eye(3, dtype=np.int32)[axis][None]
    low, high = whole - step, whole + step
    if periodic:
      low, high = low % size, high % size
    else:
      low, high = jnp.maximum(low, 0), jnp.minimum(high, size - 1)
    below, above = field[tuple(low.T)], field[tuple(high.T)]
    bend = 2 * middle - below - above
    shift = 0.5 * (above - below) / jnp.where(bend > 0, bend, 1)
    offsets.append(jnp.where(bend > 0, jnp.clip(shift, -0.5, 0.5), 0))
  return jnp.stack(offsets, axis=-1)
