"""Joint refinement of all positions and weights through the exact density.

Levenberg-Marquardt on Σ (D - M)²; the `Space` provides the normal equations. A
step moves no atom by more than σ/2, weights stay positive, and a step that
increases the residual is rejected.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.decoding.space import Space
from crystal_jax.density.precision import dot


@dataclasses.dataclass(frozen=True)
class RefitConfig:
  """Constants of the refit, tuned for time on crystals of mp_le20.

  Attributes:
    steps: Maximum number of steps before further atoms are added.
    iterative: Number of slots from which conjugate gradients are used instead
      of a Cholesky factorization.
    tolerance: Relative residual at which conjugate gradients stop.
    iterations: Maximum number of iterations of conjugate gradients.
    sizes: Numbers of slots for which a fit is compiled, so that few atoms do
      not pay for many slots.
  """

  steps: int = 4
  iterative: int = 64
  tolerance: float = 1e-3
  iterations: int = 15
  sizes: tuple[int, ...] = (8, 16, 32, 64, 96, 144, 208, 320)


_CONFIG = RefitConfig()


def refit(
  space: Space,
  target: Float[Array, '*T'],
  positions: Float[Array, 'K 3'],
  weights: Float[Array, 'K'],
  size: int | None = None,
) -> tuple[Float[Array, 'K 3'], Float[Array, 'K'], Array, Array, Array]:
  """Positions and weights fitted to the density by least squares.

  Args:
    space: Space of the density's grid.
    target: Result of `space.prepare` for the density.
    positions: Positions, Å.
    weights: Weights; filled slots first, then zeros.
    size: One of `sizes`, at least the number of filled slots. Static. None:
      chosen at run time; all sizes are compiled.

  Returns:
    Positions, weights, the sum of squared residuals, the residual in the form
    of the target, and whether the atoms still move.
  """

  def run(size):
    def one(positions, weights):
      new_positions, new_weights, *rest = _descend(
        space, target, positions[:size], weights[:size]
      )
      positions = positions.at[:size].set(new_positions)
      return positions, weights.at[:size].set(new_weights), *rest

    return one

  if size is not None:
    return run(size)(positions, weights)
  each = sizes(len(weights))
  count = jnp.sum(weights > 0)
  index = jnp.sum(count > jnp.asarray(each[:-1], count.dtype))
  return jax.lax.switch(index, [run(n) for n in each], positions, weights)


def sizes(slots: int) -> list[int]:
  """The numbers of slots for which a fit is compiled, ascending."""
  return [n for n in _CONFIG.sizes if n < slots] + [slots]


def _descend(space, target, positions, weights):
  """Steps until no atom moves any more, at most `RefitConfig.steps`.

  Each turn of the loop evaluates the last step and takes the next, so that the
  residual, half of the program to compile, is in it once. The first turn
  evaluates the start.
  """

  def unfinished(state):
    return state.moving & (state.turn <= _CONFIG.steps)

  def turn(state):
    new = space.squared_residual(target, *state.trial)
    cost, first = state.evaluated[0], state.turn == 0
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
      evaluated=_choose(better, new, state.evaluated),
      damping=jnp.where(first, 1e-3, jnp.clip(damping, 1e-7, 1e3)),
      moving=first | moving,
      turn=state.turn + 1,
    )
    return jax.lax.cond(unfinished(state), step, lambda s: s, state)

  def step(state):
    (positions, weights), gradient = state.atoms, state.evaluated[1]
    move, visibility = _solve(
      space, positions, weights, gradient, state.damping
    )
    shift = move[:3].T
    length = jnp.sqrt(jnp.sum(shift**2, axis=-1, keepdims=True))
    shift = shift * jnp.minimum(1, 0.5 * space.sigma / (length + 1e-9))
    lighter = jnp.maximum(weights + move[3], 1e-3)
    trial = positions + shift, jnp.where(weights > 0, lighter, 0)
    far = jnp.max(length[:, 0] * visibility)
    return dataclasses.replace(state, trial=trial, far=far)

  atoms = positions, weights
  shapes = jax.eval_shape(space.squared_residual, target, *atoms)
  nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  zero = jnp.zeros((), weights.dtype)
  state = _Descent(
    trial=atoms,
    far=zero,
    atoms=atoms,
    evaluated=nothing,
    damping=zero,
    turn=jnp.int32(0),
    moving=jnp.bool_(True),
  )
  state = jax.lax.while_loop(unfinished, turn, state)
  cost, _, residual = state.evaluated
  return *state.atoms, cost, residual, state.moving


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Descent:
  """State of the descent.

  Attributes:
    trial: Positions and weights to evaluate next.
    far: Longest step of an atom to the trial, Å.
    atoms: Best positions and weights so far.
    evaluated: `Space.squared_residual` of `atoms`.
    damping: Levenberg-Marquardt damping.
    turn: Number of evaluations so far.
    moving: Whether atoms still move.
  """

  trial: tuple[Float[Array, 'K 3'], Float[Array, 'K']]
  far: Float[Array, '']
  atoms: tuple[Float[Array, 'K 3'], Float[Array, 'K']]
  evaluated: tuple[Array, Float[Array, '4 K'], Array]
  damping: Float[Array, '']
  turn: Int[Array, '']
  moving: Bool[Array, '']


def _choose(condition, new, old):
  return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)


def _solve(space, positions, weights, gradient, damping):
  """The damped step [4, K], and how much of each atom is in the box, 0 to 1."""
  k = len(weights)
  normal = space.normal(positions, weights)
  full = jnp.tile(weights > 0, 4)
  sizes = jnp.where(full, normal.diagonal(), 0)
  # The scale of the damping is the diagonal of an atom of weight one or more,
  # far from walls, so that an atom that is mostly outside hardly moves.
  units = sizes[3 * k :]
  unit = jnp.max(units)
  bound = jnp.maximum(weights, 1.0) ** 2 / (2 * space.sigma**2)
  scales = jnp.concatenate([jnp.tile(bound, 3), jnp.ones_like(bound)]) * unit
  # Scaled to a unit diagonal, as float32 has few digits. A scale of zero
  # removes the rows and columns of empty slots.
  scale = jnp.where(full, jax.lax.rsqrt(sizes + damping * scales), 0)
  lift = jnp.where(full, damping * scales * scale**2 + 1e-6, 1.0)
  right = gradient.reshape(-1) * scale
  if k < _CONFIG.iterative:
    matrix = normal * scale[:, None] * scale[None] + jnp.diag(lift)
    factor = jax.scipy.linalg.cho_factor(matrix)
    move = jax.scipy.linalg.cho_solve(factor, right)
  else:
    own = normal.reshape(4, k, 4, k).diagonal(axis1=1, axis2=3)  # [4, 4, K]
    each = scale.reshape(4, k)
    own = own * each[:, None] * each[None] + _diagonal(lift.reshape(4, k))
    own = jnp.linalg.inv(jnp.moveaxis(own, -1, 0))
    # Position and weight of an atom near a wall are nearly degenerate: the
    # blocks of single atoms are solved exactly and precondition the coupling of
    # atoms. The matrix is large and not copied to be scaled.
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
  """Approximate solution x of product(x) = right, starting from zero.

  `jax.scipy.sparse.linalg.cg` multiplies its initial zeros by the matrix, which
  is a tenth of the work here, and compiles the product twice.
  """
  tolerance = _CONFIG.tolerance**2 * jnp.vdot(right, right, precision='highest')

  def unfinished(state):
    _, residual, _, _, turn = state
    size = jnp.vdot(residual, residual, precision='highest')
    return (size > tolerance) & (turn < _CONFIG.iterations)

  def improve(state):
    x, residual, gain, along, turn = state
    slope = product(along)
    step = gain / jnp.vdot(along, slope, precision='highest')
    x, residual = x + step * along, residual - step * slope
    better = precondition(residual)
    new = jnp.vdot(residual, better, precision='highest')
    return x, residual, new, better + new / gain * along, turn + 1

  first = precondition(right)
  gain = jnp.vdot(right, first, precision='highest')
  state = jnp.zeros_like(right), right, gain, first, jnp.int32(0)
  return jax.lax.while_loop(unfinished, improve, state)[0]
