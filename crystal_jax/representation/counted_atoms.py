"""Matching pursuit of a given number of atoms in an occupancy.

The occupancy is filtered with the shape of an atom. For each atom in turn, the
highest point becomes its position, and a Gaussian of height one is subtracted
there. All positions are refined together. No atom is put on a voxel that is
nearer to another atom than the least distance, and refinement separates atoms
that come nearer.

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

# Standard deviations of a filtered atom, in σ: the matched filter, which
# tolerates the most noise, and two filters that separate near atoms. Atoms are
# searched with each; the result of the smallest residual is kept.
_WIDTHS = (np.sqrt(2.0), 1.0, 0.8)
# Ridge of the filters; limits the amplification of noise.
_RIDGE = 1e-3
# Number of Newton steps of all positions.
_NEWTON_STEPS = 12
# Longest Newton step along an axis, voxels.
_MAX_STEP = 0.5
# Maximum number of attempts to relocate an atom after refinement.
_MAX_RELOCATIONS = 2
# Rounds that separate near atoms after the last Newton step.
_LAST_SEPARATIONS = 8
# Smallest curvature of a maximum that a parabola is fitted to, height per
# voxel²; flatter maxima stay within half a voxel anyway.
_MIN_CURVATURE = 1e-6


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
    Fractional coordinates in [0, 1), which slots hold an atom, and the RMS of
    the field minus the atoms' occupancy.
  """
  size = occupancy.shape[-1]
  filters = [_filter(size, sigma, width) for width in _WIDTHS]
  gains = jnp.asarray(np.stack([gain for gain, _ in filters]), occupancy.dtype)
  shapes = jnp.asarray(
    np.stack([shape for _, shape in filters]), occupancy.dtype
  )

  def one_field(field_inputs):
    field, count, (cell, closest) = field_inputs
    filled = jnp.arange(slots) < count
    metric = Separation(cell / size, closest)

    def pursue_and_refine(gain_and_shape):
      found = _pursue(field, count, filled, metric, *gain_and_shape)
      return _refined(field, found, filled, metric, sigma)

    positions, costs = jax.lax.map(pursue_and_refine, (gains, shapes))
    best = jnp.argmin(costs)
    positions, cost = _relocated(
      field, (positions[best], costs[best]), filled, metric, sigma, gains[best]
    )
    return positions / size % 1.0, filled, jnp.sqrt(cost / field.size)

  with full_precision():
    return jax.lax.map(one_field, (occupancy, counts, separation))


def _pursue(field, count, filled, metric, gain, shape):
  """Positions found by pursuit with one filter; see `_filter`."""
  size = len(field)

  def take_highest(slot, state):
    remainder, is_open, positions = state
    found = _highest(remainder, is_open)
    remainder = remainder - _filtered_atom(found, shape)
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

  positions = jax.lax.fori_loop(0, _NEWTON_STEPS, step, positions)
  positions = jax.lax.fori_loop(
    0,
    _LAST_SEPARATIONS,
    lambda _, each: separated(each, filled, size, metric),
    positions,
  )
  residual, _ = residual_field(field, positions, filled, sigma)
  return positions, jnp.sum(jnp.square(residual))


def _relocated(field, start, filled, metric, sigma, gain):
  """Positions and cost after the least useful atoms are relocated.

  The atom without which the residual would grow least moves to the maximum of
  the residual. All positions are refined again; the result is kept if the sum
  of squared residuals decreases.
  """
  size = len(field)

  def relocate(state):
    (positions, before), attempts, _ = state
    residual, factors = residual_field(field, positions, filled, sigma)
    # ‖r + g‖² - ‖r‖² = 2 r·g + ‖g‖²: without the atom g the residual is r + g.
    x, y, z = factors.values
    overlap = jnp.einsum('xyz,kx,ky,kz->k', residual, x, y, z)
    norm = jnp.prod(jnp.sum(jnp.square(factors.values), -1), axis=0)
    increase = jnp.where(filled, 2 * overlap + norm, jnp.inf)
    slot = jnp.argmin(increase)
    remaining = filled & (jnp.arange(len(filled)) != slot)
    outside = jax.vmap(lambda each: is_outside(each, size, metric))(positions)
    is_open = (outside | ~remaining[:, None, None, None]).all(axis=0)
    found = _highest(_filtered(residual, gain), is_open)
    relocated = positions.at[slot].set(found)
    relocated, after = _refined(field, relocated, filled, metric, sigma)
    is_improved = after < before
    best = (
      jnp.where(is_improved, relocated, positions),
      jnp.where(is_improved, after, before),
    )
    # After a failure the loop ends: the next attempt would be the same.
    return best, attempts + 1, is_improved

  state = start, 0, jnp.any(filled)
  (positions, cost), _, _ = jax.lax.while_loop(
    lambda state: state[-1] & (state[1] < _MAX_RELOCATIONS), relocate, state
  )
  return positions, cost


def _filtered(field, gain):
  return jnp.fft.irfftn(jnp.fft.rfftn(field) * gain, s=field.shape)


def _highest(field, is_open):
  """Maximum of the open voxels, interpolated by parabolas.

  If no voxel is open, all count as open.
  """
  size = len(field)
  values = jnp.where(is_open | ~is_open.any(), field, -jnp.inf)
  voxel = jnp.stack(jnp.unravel_index(jnp.argmax(values), field.shape))
  steps = jnp.eye(3, dtype=voxel.dtype)
  height = field[tuple(voxel)]
  above = jax.vmap(lambda s: field[tuple((voxel + s) % size)])(steps)
  below = jax.vmap(lambda s: field[tuple((voxel - s) % size)])(steps)
  curvature = 2 * height - above - below
  offset = 0.5 * (above - below) / jnp.maximum(curvature, _MIN_CURVATURE)
  return voxel + jnp.clip(offset, -0.5, 0.5)


def _filtered_atom(position, shape):
  """A filtered atom on the cube, by its cosine coefficients along each axis."""
  size = 2 * (len(shape) - 1)
  grid = jnp.arange(size, dtype=shape.dtype)
  phase = 2 * jnp.pi / size * jnp.arange(len(shape), dtype=shape.dtype)
  offsets = grid[None] - position[:, None]
  x, y, z = jnp.cos(offsets[..., None] * phase[None, None]) @ shape
  return x[:, None, None] * y[None, :, None] * z[None, None]


def _filter(size, sigma, width):
  """A filter that changes the width of atoms, and keeps their height at one.

  Args:
    size: Voxels a side, G.
    sigma: Standard deviation of an atom, voxels.
    width: Standard deviation of a filtered atom, in `sigma`.

  Returns:
    The gain: factors of the Fourier coefficients of `rfftn`. The shape of the
    filtered atom: its `cosine_coefficients`.
  """
  shape = cosine_coefficients(size, width * sigma)
  if width < 1:
    return sharpening_filter(size, sigma, width, _RIDGE), shape
  # Gaussians convolved with each other: their variances add up.
  blur_sigma = sigma * np.sqrt(width**2 - 1)
  blur = np.exp(-2 * (np.pi * blur_sigma * np.fft.fftfreq(size)) ** 2)
  gain = blur[:, None, None] * blur[None, :, None] * blur[None, None]
  return width**3 * gain[..., : size // 2 + 1], shape
