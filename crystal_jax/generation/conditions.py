"""Conditions of the prior, as arrays and as features of networks.

Every condition may be missing: an empty composition, a space group or crystal
system of 0, or NaN. In training each is dropped at random, so that any subset
can be given in sampling, even none, which guidance needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.generation.networks import element_order
from crystal_jax.structure import elements
from crystal_jax.structure.crystal_systems import (
  CRYSTAL_SYSTEMS,
  NUM_SPACE_GROUPS,
  SYSTEM_BOUNDS,
)

# Number of elements of a formula that have features of their own, the first in
# `element_order`.
_MAX_ELEMENTS_WITH_FEATURES = 7


class Conditions(NamedTuple):
  """Conditions of a batch.

  Attributes:
    counts: Atoms of each element by atomic number, hydrogen first; zeros: not
      given.
    space_group: 1 to 230; 0: not given.
    system: 1 to 7, in the order of `CRYSTAL_SYSTEMS`; 0: not given.
    experimental: 1 if the crystal was observed experimentally, else 0; NaN: not
      given.
    properties: Standardized values; NaN: not given.
  """

  counts: Float[Array | np.ndarray, 'B E']
  space_group: Int[Array | np.ndarray, 'B']
  system: Int[Array | np.ndarray, 'B']
  experimental: Float[Array | np.ndarray, 'B']
  properties: Float[Array | np.ndarray, 'B P']


def from_batch(
  batch: Mapping[str, Array],
  properties: Float[Array, 'B P'],
) -> Conditions:
  """All known conditions of prepared crystals.

  Args:
    batch: Columns of crystals: numbers [B, N]; optionally spacegroup_number [B]
      and icsd [B].
    properties: Standardized properties.
  """
  counts = jax.nn.one_hot(batch['numbers'] - 1, elements.MAX_NUMBER).sum(1)
  return from_columns(counts, batch, properties)


def from_columns(
  counts: Float[Array | np.ndarray, 'B E'],
  columns: Mapping[str, Array | np.ndarray],
  properties: Float[Array, 'B P'],
) -> Conditions:
  """All known conditions of crystals.

  Args:
    counts: Atoms of each element; see `Conditions`.
    columns: Columns of the crystals: optionally spacegroup_number [B] and
      icsd [B].
    properties: Standardized properties.
  """
  unknown = jnp.full(len(counts), jnp.nan)
  group = columns.get('spacegroup_number', unknown)
  group = jnp.where(jnp.isfinite(group), group, 0).astype(jnp.int32)
  return Conditions(
    counts=counts,
    space_group=group,
    system=_system_codes(group),
    experimental=columns.get('icsd', unknown),
    properties=properties,
  )


def unconditional(batch_size: int, properties: int) -> Conditions:
  """Conditions of which none is given."""
  return Conditions(
    counts=jnp.zeros((batch_size, elements.MAX_NUMBER)),
    space_group=jnp.zeros(batch_size, jnp.int32),
    system=jnp.zeros(batch_size, jnp.int32),
    experimental=jnp.full(batch_size, jnp.nan),
    properties=jnp.full((batch_size, properties), jnp.nan),
  )


def from_counts(
  counts: Float[np.ndarray, 'B E'], properties: int
) -> Conditions:
  """Conditions of which only the composition is given; on the host."""
  empty = jax.tree.map(np.asarray, unconditional(len(counts), properties))
  return empty._replace(counts=np.asarray(counts, np.float32))


def take(
  given: Conditions, rows: Bool[np.ndarray, 'B'] | Int[np.ndarray, 'M']
) -> Conditions:
  """The conditions of some examples, by a mask or by indices."""
  return jax.tree.map(lambda column: column[rows], given)


class DropRates(NamedTuple):
  """Shares of examples whose conditions are dropped in training.

  Attributes:
    everything: Share that loses all conditions.
    composition: Share that loses the composition.
    space_group: Share that loses the space group; half of these lose the
      crystal system too.
    other: Share that loses each of the other conditions.
  """

  everything: float
  composition: float
  space_group: float
  other: float


def drop_randomly(
  keys: Array, given: Conditions, rates: DropRates
) -> Conditions:
  """Conditions with some of them dropped at random.

  Args:
    keys: PRNG keys of the examples, [B].
    given: All conditions.
    rates: Shares of examples that lose each condition.
  """

  def one(key, each):
    u = jax.random.uniform(key, (4 + len(each.properties),))
    everything = u[0] < rates.everything
    is_dropped = u < jnp.asarray(
      [1.0, rates.composition, rates.space_group, rates.other]
      + [rates.other] * len(each.properties)
    )
    is_dropped = is_dropped | everything
    is_system_dropped = (u[2] < 0.5 * rates.space_group) | everything
    return Conditions(
      counts=jnp.where(is_dropped[1], 0, each.counts),
      space_group=jnp.where(is_dropped[2], 0, each.space_group),
      system=jnp.where(is_system_dropped, 0, each.system),
      experimental=jnp.where(is_dropped[3], jnp.nan, each.experimental),
      properties=jnp.where(is_dropped[4:], jnp.nan, each.properties),
    )

  return jax.vmap(one)(keys, given)


def features(given: Conditions, max_atoms: int) -> Float[Array, 'B F']:
  """Features of all conditions, for the velocity."""
  return jnp.concatenate(
    [_composition(given.counts, max_atoms), other_features(given)], axis=-1
  )


def other_features(given: Conditions) -> Float[Array, 'B F']:
  """Features of all conditions but the composition, for `CompositionNet`."""
  values = jnp.concatenate(
    [given.experimental[:, None], given.properties], axis=-1
  )
  known = jnp.isfinite(values)
  return jnp.concatenate(
    [
      jax.nn.one_hot(given.space_group - 1, NUM_SPACE_GROUPS),
      jax.nn.one_hot(given.system - 1, len(CRYSTAL_SYSTEMS)),
      jnp.where(known, values, 0.0),
      known.astype(jnp.float32),
    ],
    axis=-1,
  )


def _composition(counts, max_atoms):
  """Features of the whole formula, and of its elements one by one."""
  total = counts.sum(-1)
  share = counts / jnp.maximum(total, 1)[:, None]
  codes = jnp.asarray(elements.element_codes()[1:], jnp.float32)
  sequence = jnp.asarray(element_order() - 1)
  # The first elements of the formula, in `element_order`.
  is_present = counts[:, sequence] > 0
  rank = jnp.where(is_present, jnp.arange(len(sequence))[None], len(sequence))
  first = jnp.sort(rank, axis=-1)[:, :_MAX_ELEMENTS_WITH_FEATURES]
  is_slot = first < len(sequence)
  index = sequence[jnp.minimum(first, len(sequence) - 1)]
  numbers = jnp.take_along_axis(counts, index, axis=-1)
  shares = jnp.take_along_axis(share, index, axis=-1)
  slots = jnp.concatenate(
    [
      codes[index],
      jnp.log1p(numbers)[..., None],
      2 * shares[..., None],
      jnp.ones_like(shares)[..., None],
    ],
    axis=-1,
  )
  slots = jnp.where(is_slot[..., None], slots, 0)
  return jnp.concatenate(
    [
      share,
      jnp.log1p(counts),
      jax.nn.one_hot(total.astype(jnp.int32), max_atoms + 1),
      slots.reshape(len(counts), -1),
    ],
    axis=-1,
  )


def _system_codes(space_group: Int[Array, 'B']) -> Int[Array, 'B']:
  """Crystal systems of space groups, 1 to 7; 0 for 0."""
  bounds = jnp.asarray(SYSTEM_BOUNDS)
  return jnp.searchsorted(bounds, space_group).astype(jnp.int32)
