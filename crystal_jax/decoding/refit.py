"""Refit of all positions and weights together, through the exact density.

Levenberg-Marquardt on Σ (D - M)²: the normal equations come ready from the
`Space`. A step moves no atom by more than σ/2, weights
stay positive, a step that makes the misfit worse is taken back.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.decoding.space import Space
from crystal_jax.density.exact_sums import dot

# Steps at a time, before it is looked for further atoms. As all below, tuned
# for time on crystals of mp_le20.
STEPS = 4
# Slots from which conjugate gradients beat a Cholesky factorization.
DIRECT = 64
# How far conjugate gradients go.
TOLERANCE, MOST = 1e-3, 15
# Slots are tried in these sizes, so that few atoms don't pay for many slots.
# Each is there to be compiled, so they are few.
LADDER = (8, 16, 32, 64, 96, 144, 208, 320)


def refit(
  space: Space,
  target: Float[Array, '*T'],
  positions: Float[Array, 'K 3'],
  weights: Float[Array, 'K'],
  size: int | None = None,
) -> tuple[Float[Array, 'K 3'], Float[Array, 'K'], Array, Array, Array]:
  """Atoms moved and weighed so that they explain the density better.

  Args:
    space: Where the density lives.
    target: What `space.prepare` made of the density.
    positions: Å.
    weights: Filled slots first, zeros after.
    size: One of `sizes` that holds all filled slots. Static. None: found here,
      for which all of them are compiled.

  Returns:
    Positions, weights, the sum of squares that is left, the residual in the
    form of the target, and whether the atoms still move.
  """

  def run(size):
    def one(positions, weights):
      few, light, *rest = _descend(
        space, target, positions[:size], weights[:size]
      )
      positions = positions.at[:size].set(few)
      return positions, weights.at[:size].set(light), *rest

    return one

  if size is not None:
    return run(size)(positions, weights)
  each = sizes(len(weights))
  count = jnp.sum(weights > 0)
  rung = jnp.sum(count > jnp.asarray(each[:-1], count.dtype))
  return jax.lax.switch(rung, [run(n) for n in each], positions, weights)


def sizes(slots: int) -> list[int]:
  """How many slots are fitted at a time, of so many; ascending."""
  return [n for n in LADDER if n < slots] + [slots]


def _descend(space, target, positions, weights):
  """Steps until no atom moves any more, or `STEPS` of them.

  Each turn of the loop judges the last step and takes the next, so that the
  misfit, which is half of what there is to compile, is written once. The
  first judges the start.
  """

  def unfinished(state):
    return state.moving & (state.turn <= STEPS)

  def turn(state):
    new = space.misfit(target, *state.trial)
    cost, first = state.seen[0], state.turn == 0
    better = first | (new[0] < cost)
    moving = jnp.where(
      better,
      (state.far > 3e-4) | (new[0] < 0.5 * cost),
      state.far > 1e-3,
    )
    damping = state.damping * jnp.where(better, 0.03, 10)
    state = dataclasses.replace(
      state,
      atoms=_choose(better, state.trial, state.atoms),
      seen=_choose(better, new, state.seen),
      damping=jnp.where(first, 1e-3, jnp.clip(damping, 1e-7, 1e3)),
      moving=first | moving,
      turn=state.turn + 1,
    )
    return jax.lax.cond(unfinished(state), step, lambda s: s, state)

  def step(state):
    (positions, weights), gradient = state.atoms, state.seen[1]
    move, seen = _solve(space, positions, weights, gradient, state.damping)
    shift = move[:3].T
    length = jnp.sqrt(jnp.sum(shift**2, axis=-1, keepdims=True))
    shift = shift * jnp.minimum(1, 0.5 * space.sigma / (length + 1e-9))
    lighter = jnp.maximum(weights + move[3], 1e-3)
    trial = positions + shift, jnp.where(weights > 0, lighter, 0)
    far = jnp.max(length[:, 0] * seen)
    return dataclasses.replace(state, trial=trial, far=far)

  atoms = positions, weights
  shapes = jax.eval_shape(space.misfit, target, *atoms)
  nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  zero = jnp.zeros((), weights.dtype)
  state = _Descent(
    trial=atoms,
    far=zero,
    atoms=atoms,
    seen=nothing,
    damping=zero,
    turn=jnp.int32(0),
    moving=jnp.bool_(True),
  )
  state = jax.lax.while_loop(unfinished, turn, state)
  cost, _, residual = state.seen
  return *state.atoms, cost, residual, state.moving


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Descent:
  """Atoms to be tried, how far they moved, and the best so far."""

  trial: tuple[Float[Array, 'K 3'], Float[Array, 'K']]
  far: Float[Array, '']
  atoms: tuple[Float[Array, 'K 3'], Float[Array, 'K']]
  seen: tuple[Array, Float[Array, '4 K'], Array]
  damping: Float[Array, '']
  turn: Int[Array, '']
  moving: Bool[Array, '']


def _choose(which, new, old):
  return jax.tree.map(lambda n, o: jnp.where(which, n, o), new, old)


def _solve(space, positions, weights, gradient, damping):
  """The damped step [4, K], and how well each atom is seen, 0 to 1."""
  k = len(weights)
  normal = space.normal(positions, weights)
  full = jnp.tile(weights > 0, 4)
  sizes = jnp.where(full, normal.diagonal(), 0)
  # What a column would weigh for an atom far from walls, of weight ≥ 1: the
  # yardstick of the damping, so that what is hardly seen hardly moves.
  units = sizes[3 * k :]
  unit = jnp.max(units)
  bound = jnp.maximum(weights, 1.0) ** 2 / (2 * space.sigma**2)
  yardstick = jnp.concatenate([jnp.tile(bound, 3), jnp.ones_like(bound)]) * unit
  # Equal units before the solution: float32 has no digits to spare. Zero leaves
  # the rows and columns of empty slots out.
  scale = jnp.where(full, jax.lax.rsqrt(sizes + damping * yardstick), 0)
  lift = jnp.where(full, damping * yardstick * scale**2 + 1e-6, 1.0)
  right = gradient.reshape(-1) * scale
  if k < DIRECT:
    matrix = normal * scale[:, None] * scale[None] + jnp.diag(lift)
    factor = jax.scipy.linalg.cho_factor(matrix)
    move = jax.scipy.linalg.cho_solve(factor, right)
  else:
    own = normal.reshape(4, k, 4, k).diagonal(axis1=1, axis2=3)  # [4, 4, K]
    each = scale.reshape(4, k)
    own = own * each[:, None] * each[None] + _diagonal(lift.reshape(4, k))
    own = jnp.linalg.inv(jnp.moveaxis(own, -1, 0))
    # An atom near a wall hardly tells its place from its weight; that is solved
    # atom by atom, and the little that is left between atoms by turns. The
    # matrix is large: it is not written once more to be scaled.
    move = _conjugate_gradients(
      lambda x: scale * dot(normal, scale * x) + lift * x,
      lambda x: jnp.einsum('kij,jk->ik', own, x.reshape(4, k)).reshape(-1),
      right,
    )
  move = jnp.where(full & jnp.isfinite(move), move * scale, 0)
  return move.reshape(4, k), units / unit


def _diagonal(lines: Float[Array, 'N K']) -> Float[Array, 'N N K']:
  """K diagonal matrices."""
  return jnp.eye(len(lines), dtype=lines.dtype)[..., None] * lines[None]


def _conjugate_gradients(product, precondition, right):
  """The x with product(x) near `right`, from zero.

  `jax.scipy.sparse.linalg.cg` multiplies the zeros it starts from by the
  matrix, which is a tenth of the work here, and again to compile.
  """
  enough = TOLERANCE**2 * jnp.vdot(right, right, precision='highest')

  def unfinished(state):
    _, left, _, _, turn = state
    size = jnp.vdot(left, left, precision='highest')
    return (size > enough) & (turn < MOST)

  def improve(state):
    x, left, gain, along, turn = state
    slope = product(along)
    step = gain / jnp.vdot(along, slope, precision='highest')
    x, left = x + step * along, left - step * slope
    better = precondition(left)
    new = jnp.vdot(left, better, precision='highest')
    return x, left, new, better + new / gain * along, turn + 1

  first = precondition(right)
  gain = jnp.vdot(right, first, precision='highest')
  state = jnp.zeros_like(right), right, gain, first, jnp.int32(0)
  return jax.lax.while_loop(unfinished, improve, state)[0]
