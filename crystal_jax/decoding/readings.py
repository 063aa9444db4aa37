"""Choice of the model of a density on a CellGrid too coarse for the atoms.

The density is either limited to the frequencies of the grid or sampled at
points; its values alone do not tell which.
"""

import functools

import jax
import jax.numpy as jnp

from crystal_jax.decoding import host_loop


@functools.partial(jax.jit, static_argnames=('grid', 'sigma'))
def first_reading(density, cell, grid, sigma):
  """The model to try first.

  It is the band-limited model, which is cheaper, unless the grid is coarse and
  the density does not ring below zero, as a band-limited density would.

  Returns:
    The model, as `aliased` of a `CellSpace`, and the RMS residual below which
    the other model need not be tried.
  """
  space = host_loop.make_space(grid, sigma, cell, False)
  rings = jnp.min(density) < -1e-3 * jnp.max(density)
  threshold = jnp.where(space.resolved(), jnp.inf, 1e-4 * jnp.std(density))
  return space.coarse() & ~rings, threshold


@jax.jit
def residual_rms(state):
  """RMS of the residual density of a pursuit."""
  return jnp.sqrt(jnp.mean(state.residual**2))


def pursue_both(pursue, first, threshold):
  """The better of both models, as one program; see `first_reading`."""

  def is_unfinished(carry):
    turn, best = carry
    return (turn == 0) | ((turn == 1) & ~(residual_rms(best) < threshold))

  def attempt(carry):
    turn, best = carry
    state = pursue(jnp.where(turn == 0, first, ~first))
    better = (turn == 0) | (residual_rms(state) < residual_rms(best))
    best = jax.tree.map(lambda n, o: jnp.where(better, n, o), state, best)
    return turn + 1, best

  start = jax.tree.map(
    lambda x: jnp.zeros(x.shape, x.dtype),
    jax.eval_shape(lambda: pursue(first)),
  )
  return jax.lax.while_loop(is_unfinished, attempt, (jnp.int32(0), start))[1]
