"""The two ways to read a CellGrid that does not resolve the atoms.

Its density is either limited to what the grid resolves, or sampled at points,
and does not say which.
"""

import functools

import jax
import jax.numpy as jnp

from crystal_jax.decoding import host_loop


@functools.partial(jax.jit, static_argnames=('grid', 'sigma'))
def first_reading(density, cell, grid, sigma):
  """How a grid that may not resolve the atoms is read first.

  As limited to what the grid resolves, which is the cheaper, but where it would
  have to ring below zero and does not.

  Returns:
    The reading, as `aliased` of a `CellSpace`, and the RMS residual below which
    the other need not be tried.
  """
  space = host_loop.make_space(grid, sigma, cell, False)
  rings = jnp.min(density) < -1e-3 * jnp.max(density)
  enough = jnp.where(space.resolved(), jnp.inf, 1e-4 * jnp.std(density))
  return space.coarse() & ~rings, enough


@jax.jit
def left(state):
  """RMS of what a search left unexplained."""
  return jnp.sqrt(jnp.mean(state.residual**2))


def search_both(search, guess, enough):
  """The better of both readings, written once; see `first_reading`."""

  def unsure(carry):
    turn, best = carry
    return (turn == 0) | ((turn == 1) & ~(left(best) < enough))

  def attempt(carry):
    turn, best = carry
    state = search(jnp.where(turn == 0, guess, ~guess))
    better = (turn == 0) | (left(state) < left(best))
    best = jax.tree.map(lambda n, o: jnp.where(better, n, o), state, best)
    return turn + 1, best

  start = jax.tree.map(
    lambda x: jnp.zeros(x.shape, x.dtype),
    jax.eval_shape(lambda: search(guess)),
  )
  return jax.lax.while_loop(unsure, attempt, (jnp.int32(0), start))[1]
