"""Orthogonal cells: the sum over all waves, and the product of three axes.

  taskset -c 1 python -m benchmarks.voxelize_orthogonal

Band-limited densities of 12 channels on the grid of a cube, as the codecs that
work in a crystal's own cell read them, 32 crystals at a time. Times are CPU
milliseconds a crystal, the least of 25 calls; both forms in one run.
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from crystal_jax.density import separable_density

CASES = [(16, 20), (24, 40)]  # voxels a side, atoms
BATCH, CHANNELS = 32, 12


def main():
  print('| grid, atoms | form | forward ms | forward and gradient ms |', end='')
  print(' largest difference, of heights |')
  print('|---|---|---|---|---|')
  for size, atoms in CASES:
    rng = np.random.default_rng(0)
    fractional = jnp.float32(rng.random((BATCH, atoms, 3)))
    codes = jnp.float32(rng.normal(size=(BATCH, atoms, CHANNELS)))
    shape = BATCH, size, size, size, CHANNELS
    field = jnp.float32(rng.normal(size=shape))
    truth = None
    for name, form in {'all waves': waves, 'three axes': axes}.items():
      form = functools.partial(form, size=size)
      density = jax.jit(form)
      both = jax.jit(functools.partial(with_gradient, form))
      result = density(fractional, codes)
      truth = result if truth is None else truth
      times = (
        clock(density, fractional, codes),
        clock(both, fractional, codes, field),
      )
      difference = float(jnp.abs(result - truth).max())
      print(
        f'| {size}³, {atoms} | {name} | {times[0]:.3f} | {times[1]:.3f} | '
        f'{difference:.1e} of {float(jnp.abs(truth).max()):.1f} |',
        flush=True,
      )


def waves(fractional, codes, *, size):
  """In heights of a lone atom; the cell is traced, so no form is assumed."""
  cell = jnp.broadcast_to(jnp.eye(3), (len(codes), 3, 3))
  return (
    (2 * np.pi) ** 1.5
    / size**3
    * cj.voxelize_batch(
      fractional,
      codes,
      cell,
      grid=cj.CellGrid(size),
      sigma=1 / size,
      band_limit=True,
    )
  )


def axes(fractional, codes, *, size):
  """The same by one matrix product."""
  one = functools.partial(
    separable_density.separable_density,
    widths=np.full(3, 1 / size),
    grid=cj.CellGrid(size),
  )
  return (2 * np.pi) ** 1.5 / size**3 * jax.vmap(one)(fractional, codes)


def with_gradient(form, fractional, codes, field):
  density, pullback = jax.vjp(form, fractional, codes)
  return density, pullback(field)


def clock(function, *args, repeats=25) -> float:
  """CPU milliseconds a crystal, the least of some calls."""
  jax.block_until_ready(function(*args))
  times = []
  for _ in range(repeats):
    start = time.process_time()
    jax.block_until_ready(function(*args))
    times.append(time.process_time() - start)
  return 1e3 * min(times) / BATCH


if __name__ == '__main__':
  main()
