"""Atoms of an occupancy: a periodic field of Gaussians, all of height one.

`decoding` finds atoms of any weight in any density. Here every atom is known to
weigh one and to be as wide as the next, and a network has drawn the field, so
that there is no use in explaining the last percent of it. So it is enough to

- sharpen the field, and take its maxima as atoms;
- let every atom move down the misfit, all at once, each by its own Newton step;
- drop what fits nothing, and look once more at what is left.

Two atoms within 2.4 widths of each other may be read wrongly; then much is left
unexplained, and whoever asks can ask `decoding` instead, at thirty times the
price.

Lengths are in voxels.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from crystal_jax.decoding import peaks

# Width of a sharpened atom, of its own; and what bounds the noise.
_SHARP, _RIDGE = 0.85, 1e-3
# Of an atom's height: a sharpened maximum that counts, a fit that stays.
_SEED, _KEPT = 0.45, 0.5
# Two seeds nearer than this are of one atom.
_NEAR = 0.8
# Of what is right less than this is left, of what is wrong more.
DOUBT = 0.33
# Looks at the field, and Newton steps after each.
_ROUNDS, _STEPS = 2, 8


@functools.partial(jax.jit, static_argnames=('sigma', 'slots'))
def unit_atoms(
  occupancy: Float[Array, 'B G G G'], *, sigma: float, slots: int
) -> tuple[
  Float[Array, 'B K 3'],
  Bool[Array, 'B K'],
  Bool[Array, 'B'],
  Float[Array, 'B'],
]:
  """The atoms of fields on periodic cubes.

  Args:
    occupancy: Gaussians of height one, band-limited.
    sigma: Their standard deviation, voxels. Static.
    slots: Most atoms, K. Static.

  Returns:
    Fractional coordinates in [0, 1), which slots hold an atom, whether there
    were more atoms than slots, and the most that they leave unexplained
    anywhere. Above `DOUBT` an atom may be missing, or one too many.
  """
  find = functools.partial(_find, sigma=sigma, slots=slots)
  return jax.lax.map(find, occupancy)


def _find(field, *, sigma, slots):
  size = len(field)
  places = jnp.zeros((slots, 3), field.dtype)
  full = jnp.zeros(slots, bool)
  left, overflow = field, jnp.bool_(False)
  for _ in range(_ROUNDS):
    places, full, more = _add_seeds(left, places, full, sigma)
    overflow |= more

    def step(_, places, full=full):
      left, waves = _left(field, places, full, sigma)
      return places + jnp.clip(_newton(left, waves), -0.5, 0.5)

    places = jax.lax.fori_loop(0, _STEPS, step, places)
    full &= ~_twins(places, full, size)
    _, waves = _left(field, places, full, sigma)
    full &= _weights(field, waves, full) > _KEPT
    left, _ = _left(field, places, full, sigma)
  return places / size % 1.0, full, overflow, jnp.abs(left).max()


def _add_seeds(left, places, full, sigma):
  """The maxima of what is left, in the empty slots."""
  slots = len(full)
  sharp = _sharpened(left, sigma)
  found, heights, count = peaks.maxima(sharp, _SEED, slots, periodic=True)
  apart = _apart(found, places, len(left))
  known = ((apart < _NEAR) & full[None]).any(1)
  new = (heights > 0) & ~known
  order = jnp.argsort(~full, stable=True)  # Filled slots first.
  places, full = places[order], full[order]
  slot = full.sum() + jnp.cumsum(new) - 1
  overflow = (new & (slot >= slots)).any() | (count > slots)
  slot = jnp.where(new, slot, slots)  # Past the end: dropped.
  return (
    places.at[slot].set(found, mode='drop'),
    full.at[slot].set(True, mode='drop'),
    overflow,
  )


def _sharpened(field, sigma):
  """The field with narrower atoms of height one: a Wiener filter."""
  size = len(field)
  wide, narrow = _spectrum(size, sigma), _spectrum(size, _SHARP * sigma)
  blur = _cube(np.divide(wide, narrow, where=narrow > 0, out=0 * wide))
  gain = blur / (blur**2 + _RIDGE)
  gain = gain * _cube(wide).sum() / (gain * _cube(wide)).sum()
  half = jnp.asarray(gain[..., : size // 2 + 1], field.dtype)
  return jnp.fft.irfftn(jnp.fft.rfftn(field) * half, s=field.shape)


def _cube(line):
  """The product of a line along each axis."""
  return line[:, None, None] * line[None, :, None] * line[None, None]


def _spectrum(size, sigma) -> np.ndarray:
  """Of a Gaussian of sum one, in the order of `fft`; zero at Nyquist."""
  waves = np.fft.fftfreq(size)
  return np.exp(-2 * (np.pi * sigma * waves) ** 2) * (np.abs(waves) < 0.5)


def _left(field, places, full, sigma):
  """What atoms do not explain; their factors and slopes, [3, K, G] each."""
  size = len(field)
  waves = np.fft.fftfreq(size, 1 / size)[: size // 2 + 1]
  heights = _spectrum(size, sigma)[: size // 2 + 1] * np.sqrt(2 * np.pi)
  heights = heights * sigma / size * np.where(waves == 0, 1, 2)
  phase = 2 * np.pi / size * waves
  grid = jnp.arange(size, dtype=field.dtype)
  apart = grid[None, None] - places.T[:, :, None]  # [3, K, G]
  angle = apart[..., None] * jnp.asarray(phase, field.dtype)[None, None, None]
  factors = jnp.cos(angle) @ jnp.asarray(heights, field.dtype)
  slopes = jnp.sin(angle) @ jnp.asarray(heights * phase, field.dtype)
  x, y, z = factors
  model = jnp.einsum('kx,ky,kz->xyz', x * full[:, None], y, z)
  return field - model, (factors, slopes)


def _newton(left, waves):
  """Each atom's own step down the misfit, [K, 3]."""
  (x, y, z), (dx, dy, dz) = waves
  pull = [_along(left, *one) for one in ((dx, y, z), (x, dy, z), (x, y, dz))]
  bend = [
    jnp.sum(a**2, -1) * jnp.sum(b**2, -1) * jnp.sum(c**2, -1)
    for a, b, c in ((dx, y, z), (x, dy, z), (x, y, dz))
  ]
  return jnp.stack(pull, -1) / jnp.stack(bend, -1)


def _weights(field, waves, full):
  """What the atoms would weigh if they were free to, together, [K]."""
  factors = waves[0] * full[None, :, None]
  overlaps = jnp.prod(jnp.einsum('akg,alg->akl', factors, factors), axis=0)
  lift = jnp.where(full, 1e-3 * jnp.max(overlaps), 1.0)
  return jnp.linalg.solve(overlaps + jnp.diag(lift), _along(field, *factors))


def _along(field, x, y, z):
  """Sums of a field with products of factors, [K]."""
  planes = jnp.einsum('xyz,kz->kxy', field, z)
  return jnp.einsum('kxy,kx,ky->k', planes, x, y)


def _apart(a, b, size):
  """Distances to the nearest image, [K, L]."""
  apart = a[:, None] - b[None]
  apart -= size * jnp.round(apart / size)
  return jnp.sqrt(jnp.sum(apart**2, axis=-1))


def _twins(places, full, size):
  """Which atoms fell onto one before them, [K]."""
  near = _apart(places, places, size) < _NEAR
  before = jnp.tril(jnp.ones_like(near), -1)
  return (near & before & full[None]).any(1)
