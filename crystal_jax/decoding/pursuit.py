"""The pursuit: look for peaks, fit them, look again at what is left.

Each round sharpens what the atoms so far do not explain, takes its maxima as
new atoms, and refits all positions and weights together. Atoms that explain
nothing are dropped, atoms that fall together are merged. It ends when a round
gains nothing. So an oxygen beside a titanium, which has no maximum of its own
at σ = 1 Å, shows once the titanium is taken away.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.decoding import peaks, refit
from crystal_jax.decoding.space import Space
from crystal_jax.structure.crystal import MIN_DISTANCE

# Width over σ, and ridge, of each level of sharpening. The last is none: it is
# the matched filter, which stands the most noise. Tuned on crystals of mp_le20.
LEVELS = ((0.55, 1e-5), (0.7, 1e-3), (0.9, 3e-2), (1.4, 0.0))
# From this round on, seeds count only so far outside the walls, in σ: there is
# no end to the faint ones. Tuned on boxes of mp_le20.
LATE, BEYOND = 2, 0.5


@dataclasses.dataclass(frozen=True)
class Limits:
  """What counts as an atom, and when to stop. Hashable, static.

  The defaults are for atoms that weigh their atomic number, in Å; all but
  `closest` were chosen by hand, with crystals of mp_le20.

  Attributes:
    closest: Two atoms are never closer; closer seeds are one atom. Å.
    lightest: Lightest atom that is kept, where the noise allows: hydrogen
      weighs 1. It is looked for what promises half of that.
    stand_out: Standard deviations of what is left that a further atom must
      stand out by.
    rounds: Most rounds.
  """

  closest: float = MIN_DISTANCE
  lightest: float = 0.5
  stand_out: float = 5.0
  rounds: int = 12

  def __post_init__(self):
    for name, value in vars(self).items():
      if not value > 0:
        raise ValueError(f'Need a positive {name}, not {value}.')


def pursue(
  space: Space, density, max_atoms: int, limits: Limits, logits=None
) -> Search:
  """Atoms that explain a density.

  Args:
    space: Where the density lives.
    density: [G, G, G].
    max_atoms: Slots. Static.
    limits: What counts as an atom, and when to stop. Static.
    logits: [G, G, G, classes] or None; the blobs of the foreground are seeds.

  Returns:
    The end of the search: positions, weights, residual, overflow.
  """
  target, level, state = begin(space, density, max_atoms, limits, logits)

  def look_again(state):
    state = jax.lax.cond(
      state.phase == LOOK,
      lambda state: look(space, level, limits, state),
      lambda state: state,
      state,
    )
    return fit(space, density, target, limits, state)

  return jax.lax.while_loop(
    lambda state: unfinished(limits, state.phase, state.turn),
    look_again,
    state,
  )


# The steps of `pursue`, which `by_step` takes one after another.


def begin(space, density, max_atoms, limits, logits):
  """The target of all fits, the level of sharpening, and no atoms yet."""
  none = jnp.zeros((max_atoms, 3), density.dtype)
  state = Search(
    positions=none,
    weights=none[:, 0],
    cost=jnp.asarray(jnp.inf, density.dtype),
    residual=density,
    known=jnp.int32(0),
    phase=jnp.int32(LOOK),
    turn=jnp.int32(0),
    overflow=jnp.bool_(False),
  )
  if logits is not None:
    blobs = _blobs(space, density, logits, max_atoms, limits)
    state = _insert(space, state, limits, *blobs)
    state = dataclasses.replace(state, known=state.count())
  return space.prepare(density), _level(space, density, limits), state


def unfinished(limits, phase, turn):
  """Whether there is another round."""
  return (phase < DONE) & (turn < limits.rounds)


def look(space, level, limits, state):
  """Seeds after the atoms."""
  slots = len(state.weights)
  seeds = _seeds(space, state.residual, level, slots, limits)
  return _insert(space, state, limits, *seeds)


def fit(space, density, target, limits, state, size=None):
  """All atoms fitted, and what there is to do next; `size` as of `refit`."""
  positions, weights, cost, left, moving = refit.refit(
    space, target, state.positions, state.weights, size
  )
  positions, weights, fewer = _clean(space, positions, weights, limits)
  state = dataclasses.replace(
    state,
    positions=positions,
    weights=weights,
    residual=space.residual(density, target, left),
    turn=state.turn + 1,
  )
  # What is added and dropped again, round after round, is no gain.
  count = state.count()
  gained = (count > state.known) | (cost < 0.5 * state.cost)
  again = jnp.where(moving | fewer, SETTLE, DONE)
  phase = jnp.where(gained & (state.phase == LOOK), LOOK, again)
  phase = phase.astype(jnp.int32)  # Not weakly typed: that is compiled anew.
  return dataclasses.replace(state, cost=cost, known=count, phase=phase)


# Whether it is looked for further atoms, or those there are come to rest.
LOOK, SETTLE, DONE = 0, 1, 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Search:
  """Atoms so far, filled slots first, and what they leave unexplained.

  `known` is how many there were before it was last looked for more.
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
    """How many atoms there are."""
    return jnp.sum(self.weights > 0).astype(jnp.int32)


def _level(space, density, limits):
  """The sharpest level whose noise stays below the lightest atom's peak."""
  noise = peaks.white_noise(density)
  noise = jnp.maximum(noise, 3e-6 * jnp.max(jnp.abs(density)))
  level = jnp.int32(len(LEVELS) - 1)
  for i, (ratio, ridge) in reversed(list(enumerate(LEVELS[:-1]))):
    width = ratio * space.sigma
    noisy = 5 * noise * space.gain(width, ridge)
    level = jnp.where(noisy < limits.lightest * space.peak(width), i, level)
  return jnp.maximum(level, jnp.where(space.coarse(), 2, 0))


def _seeds(space, residual, level, slots, limits):
  """Maxima of the sharpened residual: places, weights, how many."""
  levels = [(ratio * space.sigma, ridge) for ratio, ridge in LEVELS]
  field = space.sharpen(residual, levels, level)
  units = [space.peak(width) for width, _ in levels]
  unit = jnp.asarray(units, field.dtype)[level]
  # Sharpening rings; what hides in the ringing or does not stand out from the
  # rest of the field shows in the next round.
  top = jnp.max(field)
  noise = jnp.minimum(limits.stand_out * peaks.spread(field), 0.3 * top)
  least = jnp.maximum(space.ringing() * top, noise)
  least = jnp.maximum(least, 0.5 * limits.lightest * unit)
  index, heights, count = peaks.maxima(
    field, least, slots, periodic=space.periodic
  )
  return space.locate(index), heights / unit, count


def _insert(space, state, limits, places, heights, count):
  """Seeds after the atoms, those on top of an atom left out."""
  slots = len(heights)
  full = state.weights > 0
  near = space.distances(places, state.positions) < limits.closest
  new = (heights > 0) & ~jnp.any(near & full[None, :], axis=1)
  new &= (state.turn < LATE) | space.inside(places, BEYOND * space.sigma)
  slot = jnp.sum(full) + jnp.cumsum(new) - 1
  overflow = jnp.any(new & (slot >= slots)) | (count > slots)
  slot = jnp.where(new, slot, slots)  # past the end: dropped
  return dataclasses.replace(
    state,
    positions=state.positions.at[slot].set(places, mode='drop'),
    weights=state.weights.at[slot].set(heights, mode='drop'),
    overflow=state.overflow | overflow,
  )


def _clean(space, positions, weights, limits):
  """Drops what explains nothing, merges, and fills the gaps in the slots."""
  before = jnp.sum(weights > 0)
  weights = jnp.where(weights > 0.5 * limits.lightest, weights, 0)
  positions, weights = _merge(space, positions, weights, limits.closest)
  order = jnp.argsort(weights <= 0, stable=True)
  fewer = jnp.sum(weights > 0) < before
  return positions[order], weights[order], fewer


def _merge(space, positions, weights, closest):
  """Atoms that fell together become one; the heavier stays, with the sum."""
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


def _blobs(space, density, logits, slots, limits):
  """Seeds where the species map sees an atom: places, weights, how many."""
  seen = 1 - jax.nn.softmax(logits, axis=-1)[..., 0].astype(density.dtype)
  index, heights, count = peaks.maxima(
    space.smooth(seen), 0.3, slots, periodic=space.periodic
  )
  places = space.locate(index + space.margin())
  here = density[tuple(space.voxel(places).T)]
  weights = jnp.maximum(here / space.peak(), limits.lightest)
  return places, jnp.where(heights > 0, weights, 0), count
