"""Refit of all positions and weights together, through the exact density.

Levenberg-Marquardt on Σ (D - M)²: the normal equations come ready from the
space (`BoxSpace`, `CellSpace`). A step moves no atom by more than σ/2, weights
stay positive, a step that makes the misfit worse is taken back.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from crystal_jax.density.exact_sums import dot

# Steps at a time, before it is looked for further atoms.
STEPS = 4
# Slots from which conjugate gradients beat a Cholesky factorization.
DIRECT = 64
# How far conjugate gradients go.
TOLERANCE, MOST = 1e-3, 15
# Slots are tried in these sizes, so that few atoms don't pay for many slots.
LADDER = (8, 16, 24, 32, 64, 96, 128, 192, 256, 384)


def refit(
  space, target, positions: Float[Array, 'K 3'], weights: Float[Array, 'K']
) -> tuple[Float[Array, 'K 3'], Float[Array, 'K'], Array, Array, Array]:
  """Atoms moved and weighed so that they explain the density better.

  Args:
    space: Where the density lives.
    target: What `space.prepare` made of the density.
    positions: Å.
    weights: Filled slots first, zeros after.

  Returns:
    Positions, weights, the sum of squares that is left, the residual in the
    form of the target, and whether the atoms still move.
  """
  slots = len(weights)
  sizes = [n for n in LADDER if n < slots] + [slots]
  count = jnp.sum(weights > 0)

  def run(size):
    def one(positions, weights):
      few, light, *rest = _descend(
        space, target, positions[:size], weights[:size]
      )
      positions = positions.at[:size].set(few)
      return positions, weights.at[:size].set(light), *rest

    return one

  rung = jnp.sum(count > jnp.asarray(sizes[:-1], count.dtype))
  return jax.lax.switch(rung, [run(n) for n in sizes], positions, weights)


def _descend(space, target, positions, weights):
  def unfinished(state):
    *_, turn, moving = state
    return moving & (turn < STEPS)

  def step(state):
    atoms, (cost, gradient, residual), damping, turn, _ = state
    positions, weights = atoms
    move, seen = _solve(space, positions, weights, gradient, damping)
    shift = move[:3].T
    length = jnp.sqrt(jnp.sum(shift**2, axis=-1, keepdims=True))
    shift = shift * jnp.minimum(1, 0.5 * space.sigma / (length + 1e-9))
    lighter = jnp.maximum(weights + move[3], 1e-3)
    new_atoms = positions + shift, jnp.where(weights > 0, lighter, 0)
    new = space.misfit(target, *new_atoms)
    better = new[0] < cost
    far = jnp.max(length[:, 0] * seen)
    moving = jnp.where(better, (far > 3e-4) | (new[0] < 0.5 * cost), far > 1e-3)
    damping = jnp.where(better, damping * 0.03, damping * 10)
    atoms, old = jax.tree.map(
      lambda n, o: jnp.where(better, n, o),
      (new_atoms, new),
      (atoms, (cost, gradient, residual)),
    )
    return atoms, old, jnp.clip(damping, 1e-7, 1e3), turn + 1, moving

  atoms = positions, weights
  damping = jnp.asarray(1e-3, weights.dtype)
  state = atoms, space.misfit(target, *atoms), damping
  state = (*state, jnp.int32(0), jnp.bool_(True))
  state = jax.lax.while_loop(unfinished, step, state)
  (positions, weights), (cost, _, residual), _, _, moving = state
  return positions, weights, cost, residual, moving


def _solve(space, positions, weights, gradient, damping):
  """The damped step [4, K], and how well each atom is seen, 0 to 1."""
  k = len(weights)
  normal = space.normal(positions, weights)
  full = jnp.tile(weights > 0, 4)
  # Rows and columns of empty slots are zero but for those of the weights.
  normal = jnp.where(full[:, None] & full[None], normal, 0)
  # What a column would weigh for an atom far from walls, of weight ≥ 1: the
  # yardstick of the damping, so that what is hardly seen hardly moves.
  units = normal.diagonal()[3 * k :]
  unit = jnp.max(units)
  bound = jnp.maximum(weights, 1.0) ** 2 / (2 * space.sigma**2)
  yardstick = jnp.concatenate([jnp.tile(bound, 3), jnp.ones_like(bound)]) * unit
  diagonal = normal.diagonal() + damping * yardstick
  diagonal = jnp.where(full, diagonal, 1)
  # Equal units before the solution: float32 has no digits to spare.
  scale = jax.lax.rsqrt(diagonal)
  matrix = normal * scale[:, None] * scale[None]
  lift = jnp.where(full, damping * yardstick * scale**2 + 1e-6, 1.0)
  index = jnp.arange(4 * k)
  matrix = matrix.at[index, index].add(lift)
  right = gradient.reshape(-1) * scale
  if k < DIRECT:
    factor = jax.scipy.linalg.cho_factor(matrix)
    move = jax.scipy.linalg.cho_solve(factor, right)
  else:
    own = matrix.reshape(4, k, 4, k).diagonal(axis1=1, axis2=3)  # [4, 4, K]
    own = jnp.linalg.inv(jnp.moveaxis(own, -1, 0))
    move, _ = jax.scipy.sparse.linalg.cg(
      lambda x: dot(matrix, x),
      right,
      tol=TOLERANCE,
      maxiter=MOST,
      # An atom near a wall hardly tells its place from its weight; that is
      # solved atom by atom, and the little that is left between atoms by turns.
      M=lambda x: jnp.einsum('kij,jk->ik', own, x.reshape(4, k)).reshape(-1),
    )
  move = jnp.where(full & jnp.isfinite(move), move * scale, 0)
  return move.reshape(4, k), units / unit
