"""Exactly so many atoms of an occupancy, none nearer than a distance.

Matching pursuit: the occupancy is filtered with the shape of an atom, its
highest point becomes an atom and a Gaussian of height one is subtracted there,
as often as there are atoms. All positions are refined together. Voxels nearer
to an atom than the least distance hold no other, and refinement moves atoms
apart that come nearer.

Lengths are in voxels, unless Å are stated.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.density.precision import full_precision
from crystal_jax.representation.occupancy_model import (
  cosine_coefficients,
  newton_steps,
  residual_field,
  sharpening_filter,
)
from crystal_jax.representation.separation import (
  Separation,
  is_outside,
  separated,
)

# Widths of an atom after filtering, in σ: the matched filter, which tolerates
# the most noise, and two that separate near atoms. The best fit is kept.
_WIDTHS = (np.sqrt(2.0), 1.0, 0.8)
# Ridge of the filters; limits the amplification of noise.
_RIDGE = 1e-3
# Newton steps of all positions, and the longest step along an axis, voxels.
_STEPS, _MAX_STEP = 12, 0.5
# Attempts to move the atom that reduces the residual least to the largest
# residual.
_RELOCATIONS = 2
# Rounds that separate near atoms after the last step.
_LAST_ROUNDS = 8


@functools.partial(jax.jit, static_argnames=('sigma', 'slots'))
def find_counted(
  occupancy: Float[Array, 'B G G G'],
  counts: Int[Array, 'B'],
  separation: Separation,
  *,
  sigma: float,
  slots: int,
) -> tuple[Float[Array, 'B K 3'], Bool[Array, 'B K'], Float[Array, 'B']]:
  """Exactly the given number of atoms of each field.

  Args:
    occupancy: Fields of band-limited Gaussians of height one on periodic cubes.
    counts: Number of atoms of each field, at most `slots`.
    separation: Cells and least distances. Of two atoms only the image of the
      nearest fractional coordinates counts. If the cell has no room, atoms are
      nearer.
    sigma: Standard deviation of an atom, voxels. Static.
    slots: Maximum number of atoms, K. Static.

  Returns:
    Fractional coordinates in [0, 1), which slots hold an atom, and the RMS
    residual of the field.
  """
  size = occupancy.shape[-1]
  filters = [_filter(size, sigma, width) for width in _WIDTHS]
  gains = jnp.asarray(np.stack([gain for gain, _ in filters]), occupancy.dtype)
  lines = jnp.asarray(np.stack([line for _, line in filters]), occupancy.dtype)

  def one_field(field_inputs):
    field, count, (cell, closest) = field_inputs
    filled = jnp.arange(slots) < count
    metric = Separation(cell / size, closest)

    def pursued(gain_and_line):
      found = _pursue(field, count, filled, metric, *gain_and_line)
      return _refined(field, found, filled, metric, sigma)

    positions, costs = jax.lax.map(pursued, (gains, lines))
    best = jnp.argmin(costs)
    positions, cost = _relocated(
      field, (positions[best], costs[best]), filled, metric, sigma, gains[best]
    )
    return positions / size % 1.0, filled, jnp.sqrt(cost / field.size)

  with full_precision():
    return jax.lax.map(one_field, (occupancy, counts, separation))


def _pursue(field, count, filled, metric, gain, line):
  """Positions found by pursuit with one filter."""
  size = len(field)

  def take_highest(slot, state):
    remainder, is_open, positions = state
    found = _highest(remainder, is_open)
    remainder = remainder - _filtered_atom(found, line)
    is_open = is_open & is_outside(found, size, metric)
    return remainder, is_open, positions.at[slot].set(found)

  start = (
    _filtered(field, gain),
    jnp.ones(field.shape, bool),
    jnp.zeros((len(filled), 3), field.dtype),
  )
  return jax.lax.fori_loop(0, count, take_highest, start)[-1]


def _refined(field, positions, filled, metric, sigma):
  """Positions refined together, and the sum of squared residuals."""
  size = len(field)

  def step(_, positions):
    residual, factors = residual_field(field, positions, filled, sigma)
    steps = newton_steps(residual, factors)
    positions = positions + jnp.clip(steps, -_MAX_STEP, _MAX_STEP)
    return separated(positions, filled, size, metric)

  positions = jax.lax.fori_loop(0, _STEPS, step, positions)
  positions = jax.lax.fori_loop(
    0,
    _LAST_ROUNDS,
    lambda _, each: separated(each, filled, size, metric),
    positions,
  )
  residual, _ = residual_field(field, positions, filled, sigma)
  return positions, jnp.sum(jnp.square(residual))


def _relocated(field, start, filled, metric, sigma, gain):
  """Moves atoms that explain little to the largest residual, if that fits."""
  size = len(field)

  def relocate(state):
    (positions, before), attempts, _ = state
    residual, factors = residual_field(field, positions, filled, sigma)
    # The sum of squares grows by this if an atom goes.
    x, y, z = factors.values
    alone = jnp.einsum('xyz,kx,ky,kz->k', residual, x, y, z)
    norm = jnp.prod(jnp.sum(jnp.square(factors.values), -1), axis=0)
    loss = jnp.where(filled, 2 * alone + norm, jnp.inf)
    slot = jnp.argmin(loss)
    remaining = filled & (jnp.arange(len(filled)) != slot)
    outside = jax.vmap(lambda each: is_outside(each, size, metric))(positions)
    is_open = (outside | ~remaining[:, None, None, None]).all(axis=0)
    found = _highest(_filtered(residual, gain), is_open)
    relocated = positions.at[slot].set(found)
    relocated, after = _refined(field, relocated, filled, metric, sigma)
    better = after < before
    found = (
      jnp.where(better, relocated, positions),
      jnp.where(better, after, before),
    )
    # An attempt that failed would be repeated.
    return found, attempts + 1, better

  state = start, 0, jnp.any(filled)
  (positions, cost), _, _ = jax.lax.while_loop(
    lambda state: state[-1] & (state[1] < _RELOCATIONS), relocate, state
  )
  return positions, cost


def _filtered(field, gain):
  return jnp.fft.irfftn(jnp.fft.rfftn(field) * gain, s=field.shape)


def _highest(field, is_open):
  """Position of the highest open voxel, by parabolas through its neighbours.

  Of any voxel, if none is open.
  """
  size = len(field)
  values = jnp.where(is_open | ~is_open.any(), field, -jnp.inf)
  voxel = jnp.stack(jnp.unravel_index(jnp.argmax(values), field.shape))
  steps = jnp.eye(3, dtype=voxel.dtype)
  here = field[tuple(voxel)]
  above = jax.vmap(lambda s: field[tuple((voxel + s) % size)])(steps)
  below = jax.vmap(lambda s: field[tuple((voxel - s) % size)])(steps)
  bend = 2 * here - above - below
  offset = 0.5 * (above - below) / jnp.maximum(bend, 1e-6)
  return voxel + jnp.clip(offset, -0.5, 0.5)


def _filtered_atom(position, line):
  """A Gaussian of height one on the cube, by its cosine coefficients."""
  size = 2 * (len(line) - 1)
  grid = jnp.arange(size, dtype=line.dtype)
  phase = 2 * jnp.pi / size * jnp.arange(len(line), dtype=line.dtype)
  offsets = grid[None] - position[:, None]
  x, y, z = jnp.cos(offsets[..., None] * phase[None, None]) @ line
  return x[:, None, None] * y[None, :, None] * z[None, None]


def _filter(size, sigma, width):
  """A filter that changes the width of atoms, and keeps their height at one.

  Returns:
    Factors of the Fourier coefficients of `rfftn`, and `cosine_coefficients` of
    the filtered atom.
  """
  line = cosine_coefficients(size, width * sigma)
  if width < 1:
    return sharpening_filter(size, sigma, width, _RIDGE), line
  # A Gaussian times a Gaussian: their widths add up in squares.
  more = sigma * np.sqrt(width**2 - 1)
  blur = np.exp(-2 * (np.pi * more * np.fft.fftfreq(size)) ** 2)
  gain = blur[:, None, None] * blur[None, :, None] * blur[None, None]
  return width**3 * gain[..., : size // 2 + 1], line
