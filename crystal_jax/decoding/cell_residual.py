"""Residual of atoms in a `CellSpace` on Fourier coefficients, and its gradient.

The coefficients of a density that was sampled at points contain aliases; each
is one more sum over the atoms.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.decoding import fourier
from crystal_jax.density.precision import dot


def squared_residual(
  space,
  target: Float[Array, 'L M'],
  positions: Float[Array, 'K 3'],
  weights: Float[Array, 'K'],
) -> tuple[Array, Float[Array, '4 K'], Array]:
  """See `Space.squared_residual`, of a `CellSpace`."""
  fractional = dot(positions, space.inverse)
  x, y, z = fourier.waves(space.orders(), fractional)
  planes = fourier.planes(x, y)
  counts = np.tile(fourier.multiplicities(space.grid.shape[2]), 2)[:, None]
  multiplicity = jnp.asarray(counts, fractional.dtype)

  def term(i):
    """Orders, damping as lines, and phases [2, K] of an alias."""
    shift = space.aliases[1][i] * space.shape(fractional.dtype)[0]
    angle = -2 * jnp.pi * jnp.sum(fractional * shift[None], axis=1)
    phases = jnp.cos(angle), jnp.sin(angle)
    return space.orders(shift), fourier.lines(space.damping(shift)), phases

  def subtract(rest, damping, phases):
    re, im = (weights * phase for phase in phases)
    return rest - fourier.forward(planes, z, re, im) * damping

  def gradient_of(orders, damping, phases):
    lines = rest * damping * multiplicity
    return fourier.backward(planes, z, orders, lines, phases)

  first = space.orders(), space.envelope, (jnp.ones_like(weights), 0 * weights)
  rest = subtract(target, *first[1:])
  if space.aliases is not None:
    rest = jax.lax.fori_loop(
      1, space.aliases[0], lambda i, rest: subtract(rest, *term(i)[1:]), rest
    )
  by_fraction = gradient_of(*first)
  if space.aliases is not None:
    by_fraction = jax.lax.fori_loop(
      1,
      space.aliases[0],
      lambda i, total: total + gradient_of(*term(i)),
      by_fraction,
    )
  slopes = dot(space.inverse, by_fraction[:3]) * weights[None]
  scale = np.prod(space.grid.shape)  # sums over voxels, as in a box
  gradient = jnp.concatenate([slopes, by_fraction[3:]]) * scale
  return jnp.sum(rest**2 * multiplicity) * scale, gradient, rest
