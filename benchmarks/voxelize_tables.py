"""Tables of `benchmarks.voxelize` without peers: gradient, batches, cells."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from benchmarks.voxelize_peers import numpy_cell, pad
from benchmarks.voxelize_timing import clock, jitted
from crystal_jax.density.image_counts import ladder

SLOTS = 24  # atoms are padded to a multiple of this


def gradient(crystals):
  """Forward and gradient, over forward."""
  print(f'\n| {len(crystals)} crystals | forward ms', end='')
  print(' | forward and gradient ms | ratio, of each | goal |')
  print('|---|---|---|---|---|')
  for size, sigma in [(30, 0.5), (60, 0.5), (60, 1.0), (60, 0.25)]:
    grid, times = cj.BoxGrid(10.0, size), []
    field = jax.random.normal(jax.random.key(0), grid.shape)
    for positions, numbers, cell in crystals:
      most = ladder(cj.count_images(positions, cell, grid=grid, sigma=sigma))
      static = {'grid': grid, 'sigma': sigma, 'max_images': most}
      slots = -(-len(numbers) // SLOTS) * SLOTS
      args = pad(positions, slots), pad(numbers, slots), jnp.float32(cell)
      forward, both = (
        jitted(cj.voxelize, **static),
        jitted(density_and_vjp, **static),
      )
      forward = clock(forward, *args, repeats=50, warm=10)
      times.append((forward, clock(both, field, *args, repeats=50, warm=10)))
    forward, both = np.mean(times, axis=0)
    each = ', '.join(f'{b / f:.1f}' for f, b in times)
    goal = '3.5' if (size, sigma) == (60, 0.5) else ''
    print(
      f'| {size}³, σ {sigma} | {forward:.2f} | {both:.2f} | '
      f'{both / forward:.2f} ({each}) | {goal} |',
      flush=True,
    )


def density_and_vjp(field, *args, **static):
  """A density, and the derivatives by all of its arguments."""
  density, vjp = jax.vjp(functools.partial(cj.voxelize, **static), *args)
  return density, vjp(field)


def batches(crystals):
  """Real crystals in batches; a batch shares the largest one's slots."""
  print('\n| 30³, σ 0.5, real crystals | ms a crystal |\n|---|---|')
  grid = cj.BoxGrid(10.0, 30)
  counts = [cj.count_images(p, c, grid=grid, sigma=0.5) for p, _, c in crystals]
  most = ladder(max(counts))
  slots = max(len(n) for _, n, _ in crystals)
  for size in (1, 64, 1024):
    batch = [crystals[i % len(crystals)] for i in range(size)]
    args = (
      jnp.stack([pad(p, slots) for p, _, _ in batch]),
      jnp.stack([pad(n, slots) for _, n, _ in batch]),
      jnp.stack([jnp.float32(c) for _, _, c in batch]),
    )
    run = jax.jit(
      functools.partial(
        cj.voxelize_batch, grid=grid, sigma=0.5, max_images=most
      )
    )
    each = clock(run, *args, repeats=3) / size
    print(f'| batch of {size}, {most} image slots | {each:.3f} |', flush=True)


def cell_grids(crystals):
  """Structure factors and FFT, here and in NumPy."""
  print('\n| cell grid | ours ms | NumPy ms | ratio |\n|---|---|---|---|')
  for size in (32, 64):
    grid, ours, theirs = cj.CellGrid(size), [], []
    for positions, numbers, cell in crystals:
      slots = ladder(len(numbers))
      run = jitted(
        cj.voxelize, grid=grid, sigma=0.5, max_images=slots, band_limit=True
      )
      args = pad(positions, slots), pad(numbers, slots), jnp.float32(cell)
      ours.append(clock(lambda run=run, args=args: run(*args)))
      theirs.append(
        clock(
          functools.partial(numpy_cell, positions, numbers, cell, size, 0.5)
        )
      )
    ours, theirs = np.mean(ours), np.mean(theirs)
    print(f'| {size}³ | {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f}× |')


def growth():
  """Cost against the number of atoms in the box."""
  print('\n| atoms in a 10 Å box, σ 0.5 | 30³ ms | 60³ ms |\n|---|---|---|')
  rng = np.random.default_rng(0)
  for atoms in (50, 100, 200, 400, 1000):
    positions = jnp.float32(rng.uniform(-5, 5, (atoms, 3)))
    weights = jnp.float32(rng.integers(1, 90, atoms))
    times = []
    for size in (30, 60):
      run = jax.jit(
        functools.partial(
          cj.voxelize,
          cell=None,
          grid=cj.BoxGrid(10.0, size),
          sigma=0.5,
          max_images=atoms,
        )
      )
      times.append(clock(run, positions, weights))
    print(f'| {atoms} | {times[0]:.2f} | {times[1]:.2f} |', flush=True)
