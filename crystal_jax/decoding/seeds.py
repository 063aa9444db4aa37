"""Seeds of further atoms: maxima of a sharpened residual or of a foreground."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from crystal_jax.decoding import peaks
from crystal_jax.decoding.config import PursuitConfig
from crystal_jax.decoding.space import Space

# (width in σ, ridge) of each level of sharpening. The last level blurs: it is
# the matched filter, which tolerates the most noise. Tuned on crystals of
# mp_le20.
LEVELS = ((0.55, 1e-5), (0.7, 1e-3), (0.9, 3e-2), (1.4, 0.0))

# Positions, weights (zero in empty slots), and their number, which may be more
# than slots.
Seeds = tuple[Float[Array, 'K 3'], Float[Array, 'K'], Int[Array, '']]


def of_residual(
  space: Space,
  residual: Float[Array, 'G G G'],
  level: Int[Array, ''],
  slots: int,
  config: PursuitConfig,
) -> Seeds:
  """Maxima of the sharpened residual; see `sharpening_level`."""
  levels = [(ratio * space.sigma, ridge) for ratio, ridge in LEVELS]
  field = space.sharpen(residual, levels, level)
  units = [space.peak(width) for width, _ in levels]
  unit = jnp.asarray(units, field.dtype)[level]
  # Sharpening rings; maxima within the ringing or the noise are left to the
  # next round.
  top = jnp.max(field)
  noise = jnp.minimum(config.stand_out * peaks.spread(field), 0.3 * top)
  threshold = jnp.maximum(space.ringing() * top, noise)
  threshold = jnp.maximum(threshold, 0.5 * config.lightest * unit)
  index, heights, count = peaks.maxima(
    field, threshold, slots, periodic=space.periodic
  )
  return space.locate(index), heights / unit, count


def of_foreground(
  space: Space,
  density: Float[Array, 'G G G'],
  logits: Float[Array, 'G G G C'],
  slots: int,
  config: PursuitConfig,
) -> Seeds:
  """Maxima of the foreground, the share of all species but the background."""
  foreground = 1 - jax.nn.softmax(logits, axis=-1)[..., 0].astype(density.dtype)
  index, heights, count = peaks.maxima(
    space.smooth(foreground), 0.3, slots, periodic=space.periodic
  )
  positions = space.locate(index + space.margin())
  here = density[tuple(space.voxel(positions).T)]
  weights = jnp.maximum(here / space.peak(), config.lightest)
  return positions, jnp.where(heights > 0, weights, 0), count


def sharpening_level(
  space: Space, density: Float[Array, 'G G G'], config: PursuitConfig
) -> Int[Array, '']:
  """The sharpest level whose noise stays below the lightest atom's peak."""
  noise = peaks.white_noise(density)
  noise = jnp.maximum(noise, 3e-6 * jnp.max(jnp.abs(density)))
  level = jnp.int32(len(LEVELS) - 1)
  for i, (ratio, ridge) in reversed(list(enumerate(LEVELS[:-1]))):
    width = ratio * space.sigma
    noisy = 5 * noise * space.gain(width, ridge)
    level = jnp.where(noisy < config.lightest * space.peak(width), i, level)
  return jnp.maximum(level, jnp.where(space.coarse(), 2, 0))
