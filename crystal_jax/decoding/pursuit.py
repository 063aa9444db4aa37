"""Matching pursuit of Gaussian atoms: add peaks of the residual, refit, repeat.

Each round sharpens the residual, adds its maxima as new atoms, and refits all
positions and weights together. Atoms of negligible weight are dropped, atoms at
the same position are merged. The pursuit ends when a round improves nothing. An
oxygen beside a titanium, which has no maximum of its own at σ = 1 Å, is found
once the titanium is subtracted.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.decoding import refit, seeds
from crystal_jax.decoding.config import PursuitConfig
from crystal_jax.decoding.space import Space

# From round LATE_ROUND on, seeds more than MAX_OUTSIDE σ outside the walls are
# ignored: else ever fainter ones would be added. Tuned on boxes of mp_le20.
LATE_ROUND, MAX_OUTSIDE = 2, 0.5


def pursue(
  space: Space, density, max_atoms: int, config: PursuitConfig, logits=None
) -> Pursuit:
  """Finds the atoms of a density.

  Args:
    space: Space of the density's grid.
    density: Density, [G, G, G].
    max_atoms: Number of slots. Static.
    config: Which peaks are atoms, and when the pursuit stops. Static.
    logits: Logits of species, [G, G, G, classes], or None; maxima of their
      foreground are seeds.

  Returns:
    The final state: positions, weights, residual, overflow.
  """
  target, level, state = begin(space, density, max_atoms, config, logits)

  def one_round(state):
    state = jax.lax.cond(
      state.phase == ADD,
      lambda state: add(space, level, config, state),
      lambda state: state,
      state,
    )
    return fit(space, density, target, config, state)

  return jax.lax.while_loop(
    lambda state: unfinished(config, state.phase, state.turn),
    one_round,
    state,
  )


# The steps of `pursue`, which `host_loop` runs one after another.


def begin(space, density, max_atoms, config, logits):
  """The target of all fits, the level of sharpening, and the first state."""
  none = jnp.zeros((max_atoms, 3), density.dtype)
  state = Pursuit(
    positions=none,
    weights=none[:, 0],
    cost=jnp.asarray(jnp.inf, density.dtype),
    residual=density,
    known=jnp.int32(0),
    phase=jnp.int32(ADD),
    turn=jnp.int32(0),
    overflow=jnp.bool_(False),
  )
  if logits is not None:
    found = seeds.of_foreground(space, density, logits, max_atoms, config)
    state = _insert(space, state, config, *found)
    state = dataclasses.replace(state, known=state.count())
  target = space.prepare(density)
  return target, seeds.sharpening_level(space, density, config), state


def unfinished(config, phase, turn):
  """Whether another round follows."""
  return (phase < DONE) & (turn < config.rounds)


def add(space, level, config, state):
  """The state with maxima of the residual added as atoms."""
  slots = len(state.weights)
  found = seeds.of_residual(space, state.residual, level, slots, config)
  return _insert(space, state, config, *found)


def fit(space, density, target, config, state, size=None):
  """The state with all atoms refitted; `size` as in `refit`."""
  positions, weights, cost, rest, moving = refit.refit(
    space, target, state.positions, state.weights, size
  )
  positions, weights, fewer = _clean(space, positions, weights, config)
  state = dataclasses.replace(
    state,
    positions=positions,
    weights=weights,
    residual=space.residual(density, target, rest),
    turn=state.turn + 1,
  )
  # An atom that is added and dropped again is no improvement.
  count = state.count()
  improved = (count > state.known) | (cost < 0.5 * state.cost)
  again = jnp.where(moving | fewer, SETTLE, DONE)
  phase = jnp.where(improved & (state.phase == ADD), ADD, again)
  phase = phase.astype(jnp.int32)  # a weak type would be compiled anew
  return dataclasses.replace(state, cost=cost, known=count, phase=phase)


# Phases: adding atoms, refitting until no atom moves, finished.
ADD, SETTLE, DONE = 0, 1, 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pursuit:
  """Atoms so far, filled slots first, and the residual density.

  Attributes:
    positions: Positions, Å.
    weights: Weights; zero in empty slots.
    cost: Sum of squared residuals.
    residual: The density without the atoms.
    known: Number of atoms before the last ones were added.
    phase: `ADD`, `SETTLE` or `DONE`.
    turn: Number of rounds so far.
    overflow: Whether there were more seeds than slots.
  """

  positions: Float[Array, 'K 3']
  weights: Float[Array, 'K']
  cost: Float[Array, '']
  residual: Float[Array, 'G G G']
  known: Int[Array, '']
  phase: Int[Array, '']
  turn: Int[Array, '']
  overflow: Bool[Array, '']

  def count(self) -> Int[Array, '']:
    """Number of atoms."""
    return jnp.sum(self.weights > 0).astype(jnp.int32)


def _insert(space, state, config, positions, heights, count):
  """Seeds added after the atoms, without those too close to an atom."""
  slots = len(heights)
  full = state.weights > 0
  near = space.distances(positions, state.positions) < config.closest
  new = (heights > 0) & ~jnp.any(near & full[None, :], axis=1)
  new &= (state.turn < LATE_ROUND) | space.inside(
    positions, MAX_OUTSIDE * space.sigma
  )
  slot = jnp.sum(full) + jnp.cumsum(new) - 1
  overflow = jnp.any(new & (slot >= slots)) | (count > slots)
  slot = jnp.where(new, slot, slots)  # past the end: dropped
  return dataclasses.replace(
    state,
    positions=state.positions.at[slot].set(positions, mode='drop'),
    weights=state.weights.at[slot].set(heights, mode='drop'),
    overflow=state.overflow | overflow,
  )


def _clean(space, positions, weights, config):
  """Drops light atoms, merges close ones, and moves filled slots first."""
  before = jnp.sum(weights > 0)
  weights = jnp.where(weights > 0.5 * config.lightest, weights, 0)
  positions, weights = _merge(space, positions, weights, config.closest)
  order = jnp.argsort(weights <= 0, stable=True)
  fewer = jnp.sum(weights > 0) < before
  return positions[order], weights[order], fewer


def _merge(space, positions, weights, closest):
  """Merges close atoms: position of the heaviest, sum of their weights."""
  index = jnp.arange(len(weights))
  full = weights > 0
  close = space.distances(positions, positions) < closest
  close = close & full[None, :] & full[:, None]
  heavier = (weights[None, :] > weights[:, None]) | (
    (weights[None, :] == weights[:, None]) & (index[None] < index[:, None])
  )
  swallowed = jnp.any(close & heavier, axis=1)
  total = jnp.sum(jnp.where(close, weights[None, :], 0), axis=1)
  return positions, jnp.where(swallowed | ~full, 0, total)
