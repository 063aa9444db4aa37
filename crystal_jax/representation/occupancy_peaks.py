"""Atoms of an occupancy: a periodic field of Gaussians, all of height one.

`decoding` finds atoms of any height in any density. Here all atoms have one
height and one width, and the field comes from a network, whose errors no fit
can explain. A pass therefore

- sharpens the field, and takes its maxima as atoms;
- moves all atoms by Newton steps, each as if the others were fixed;
- drops atoms whose fitted height is low, and searches the residual again.

Two atoms within 2.4 σ of each other may be found as one or as three, which
leaves a large residual. Further passes with other settings follow in that case;
they may also merge near atoms. The result is the set of atoms of smallest cost:
the sum of squared residuals plus a price for each atom.

Lengths are in voxels.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from crystal_jax.decoding import peaks
from crystal_jax.density.precision import full_precision
from crystal_jax.representation.occupancy_model import (
  distances,
  fitted_heights,
  newton_steps,
  residual_field,
  sharpening_filter,
)
from crystal_jax.representation.peak_config import PeakConfig


@functools.partial(jax.jit, static_argnames=('sigma', 'slots', 'config'))
def find_peaks(
  occupancy: Float[Array, 'B G G G'],
  *,
  sigma: float,
  slots: int,
  config: PeakConfig = PeakConfig(),  # noqa: B008
) -> tuple[Float[Array, 'B K 3'], Bool[Array, 'B K'], Bool[Array, 'B']]:
  """The atoms of fields on periodic cubes.

  Args:
    occupancy: Fields of band-limited Gaussians of height one.
    sigma: Standard deviation of the Gaussians, voxels. Static.
    slots: Maximum number of atoms, K. Static.
    config: Settings. Static.

  Returns:
    Fractional coordinates in [0, 1), which slots hold an atom, and whether
    there were more atoms than slots.
  """
  size = occupancy.shape[-1]
  filters = jnp.stack(
    [
      sharpening_filter(size, sigma, each.width, config.ridge)
      for each in config.passes
    ]
  ).astype(occupancy.dtype)
  passes = jax.tree.map(lambda *each: jnp.asarray(each), *config.passes)

  def is_unexplained(state):
    index, best = state
    unexplained = (best.largest > config.max_residual) | best.overflow
    return (index < len(config.passes)) & unexplained

  def one(field):
    def next_pass(state):
      index, best = state
      settings = jax.tree.map(lambda each: each[index], passes)
      found = _one_pass(field, filters[index], settings, sigma, slots, config)
      return index + 1, _cheaper(found, best)

    start = jnp.int32(0), _no_atoms(field, slots)
    _, best = jax.lax.while_loop(is_unexplained, next_pass, start)
    return best.positions / len(field) % 1.0, best.filled, best.overflow

  with full_precision():
    return jax.lax.map(one, occupancy)


class _Atoms(NamedTuple):
  """Atoms, and how well they explain the field.

  Attributes:
    positions: Positions, voxels.
    filled: Which slots hold an atom.
    overflow: Whether there were more atoms than slots.
    largest: Largest absolute residual.
    cost: Sum of squared residuals, plus `atom_price` for each atom.
  """

  positions: Float[Array, 'K 3']
  filled: Bool[Array, 'K']
  overflow: Bool[Array, '']
  largest: Float[Array, '']
  cost: Float[Array, '']


def _no_atoms(field, slots) -> _Atoms:
  """No atoms, at infinite cost: the state before the first pass."""
  infinite = jnp.asarray(jnp.inf, field.dtype)
  return _Atoms(
    jnp.zeros((slots, 3), field.dtype),
    jnp.zeros(slots, bool),
    jnp.bool_(False),
    infinite,
    infinite,
  )


def _one_pass(field, sharpening, settings, sigma, slots, config) -> _Atoms:
  """The atoms that one pass finds."""
  size = len(field)

  def fitted(positions, filled):
    def step(_, positions):
      residual, factors = residual_field(field, positions, filled, sigma)
      step = newton_steps(residual, factors)
      return positions + jnp.clip(step, -config.max_step, config.max_step)

    return jax.lax.fori_loop(0, config.newton_steps, step, positions)

  def round_(_, state):
    positions, filled, overflow, residual = state
    sharp = jnp.fft.irfftn(jnp.fft.rfftn(residual) * sharpening, s=field.shape)
    positions, filled, more = _add_seeds(sharp, positions, filled, settings)
    positions = fitted(positions, filled)
    filled &= ~_duplicates(positions, filled, size, settings.merge_distance)
    _, factors = residual_field(field, positions, filled, sigma)
    filled &= fitted_heights(field, factors, filled) > config.min_height
    residual, _ = residual_field(field, positions, filled, sigma)
    return positions, filled, overflow | more, residual

  start = _no_atoms(field, slots)
  positions, filled, overflow, residual = jax.lax.fori_loop(
    0, settings.rounds, round_, (*start[:3], field)
  )
  found = _with_cost(positions, filled, overflow, residual, config)

  def merge(_, found):
    positions, filled = _merge_nearest(found.positions, found.filled, size)
    positions = fitted(positions, filled)
    residual, _ = residual_field(field, positions, filled, sigma)
    merged = _with_cost(positions, filled, overflow, residual, config)
    return _cheaper(merged, found)

  return jax.lax.fori_loop(0, settings.merges, merge, found)


def _with_cost(positions, filled, overflow, residual, config) -> _Atoms:
  cost = jnp.sum(residual**2) + config.atom_price * filled.sum()
  return _Atoms(positions, filled, overflow, jnp.abs(residual).max(), cost)


def _cheaper(new, old) -> _Atoms:
  is_cheaper = new.cost < old.cost
  return jax.tree.map(lambda n, o: jnp.where(is_cheaper, n, o), new, old)


def _merge_nearest(positions, filled, size):
  """The two nearest atoms replaced by one between them."""
  slots = len(filled)
  pairs = filled[:, None] & filled[None] & ~jnp.eye(slots, dtype=bool)
  distance = jnp.where(pairs, distances(positions, positions, size), jnp.inf)
  first, second = jnp.divmod(jnp.argmin(distance), slots)
  step = positions[second] - positions[first]
  step -= size * jnp.round(step / size)
  has_pair = pairs.any()
  return (
    positions.at[first].add(jnp.where(has_pair, 0.5 * step, 0)),
    filled.at[second].set(filled[second] & ~has_pair),
  )


def _add_seeds(sharp, positions, filled, settings):
  """The maxima of the sharpened residual, in the empty slots."""
  slots = len(filled)
  found, heights, count = peaks.maxima(
    sharp, settings.seed, slots, periodic=True
  )
  distance = distances(found, positions, len(sharp))
  known = ((distance < settings.merge_distance) & filled[None]).any(1)
  new = (heights > 0) & ~known
  order = jnp.argsort(~filled, stable=True)  # Filled slots first.
  positions, filled = positions[order], filled[order]
  slot = filled.sum() + jnp.cumsum(new) - 1
  overflow = (new & (slot >= slots)).any() | (count > slots)
  slot = jnp.where(new, slot, slots)  # Past the end: dropped.
  return (
    positions.at[slot].set(found, mode='drop'),
    filled.at[slot].set(True, mode='drop'),
    overflow,
  )


def _duplicates(positions, filled, size, merge_distance):
  """Which atoms lie on an atom of an earlier slot, [K]."""
  near = distances(positions, positions, size) < merge_distance
  earlier = jnp.tril(jnp.ones_like(near), -1)
  return (near & earlier & filled[None]).any(1)
