"""How fast `voxelize` is, beside every peer that is installed, in one run.

  pip install -e '.[bench]'
  taskset -c 1 python -m benchmarks.voxelize

Times are the median CPU time of this process, in milliseconds: on one core
that is the time on the clock, less what other programs take from it. Every
peer sums Gaussians out to 5.5 sigma over the same images of the same crystals.
A peer that is not installed is named as missing.
"""

import argparse
import functools
import platform
import time

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from benchmarks.voxelize_peers import load_peers, numpy_cell, pad
from crystal_jax.density import images as periodic
from crystal_jax.density.image_counts import count_reaching, ladder
from crystal_jax.structure import lattice

SLOTS = 24  # atoms are padded to a multiple of this
WORKS = [(30, 0.5), (60, 0.5), (128, 0.5), (60, 1.0), (60, 0.25)]
GOALS = {  # against libmolgrid: density, with images and rotation; of peak
  (30, 0.5): (15, 8, 0.35),
  (60, 0.5): (20, 18, 0.60),
  (128, 0.5): (40, 40, 1.20),
  (60, 1.0): (100, None, None),
  (60, 0.25): (6, None, None),
}


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--random', type=int, default=8)
  parser.add_argument('--real', type=int, default=12, help='for all peers')
  parser.add_argument('--many', type=int, default=200, help='real, in a batch')
  args = parser.parse_args()
  real = real_crystals(max(args.real, args.many))
  crystals = random_crystals(args.random) + real[: args.real]

  print(f'{platform.processor() or platform.machine()}, one core; ', end='')
  print(f'jax {jax.__version__} on {jax.default_backend()}, ', end='')
  print(f'Python {platform.python_version()}, numpy {np.__version__}')
  peak = matmul_peak()
  print(f'float32 matrix product of 1024: {peak / 1e9:.0f} GFLOP/s\n')
  peers, missing = load_peers()
  for line in missing:
    print('missing:', line)

  names = ['ours', 'ours+images', *peers]
  print('\n| work | images |', ' | '.join(f'{n} ms' for n in names), '|')
  print('|---' * (len(names) + 2) + '|')
  verdicts = []
  for size, sigma in WORKS:
    grid = cj.BoxGrid(10.0, size)
    rows = [compare(c, grid, sigma, peers) for c in crystals]
    times = {n: np.mean([row[n] for row in rows]) for n in ['images', *names]}
    print(
      f'| {size}³, σ {sigma} | {times["images"]:.0f} |',
      ' | '.join(f'{times[n]:.3g}' for n in names),
      '|',
      flush=True,
    )
    verdicts.append(verdict(size, sigma, times, peak))
  print('\n| work | against | reached | goal |\n|---|---|---|---|')
  print('\n'.join(sum(verdicts, [])))

  gradient(crystals[: args.random])
  batches(real[: args.many])
  cell_grids(real[:16])
  growth()


def verdict(size, sigma, times, peak):
  """Ratios against the goals, one line each."""
  density, images, share = GOALS[size, sigma]
  work, lines = f'{size}³, σ {sigma}', []

  def line(against, reached, goal):
    lines.append(f'| {work} | {against} | {reached} | {goal} |')

  if 'libmolgrid' in times:
    line(
      'libmolgrid, density',
      f'{times["libmolgrid"] / times["ours"]:.1f}×',
      f'{density}×',
    )
    if images:
      line(
        'libmolgrid, images and rotation',
        f'{times["libmolgrid"] / times["ours+images"]:.1f}×',
        f'{images}×',
      )
  if 'cryojax' in times:
    line('cryoJAX', f'{times["cryojax"] / times["ours"]:.1f}×', '2×')
  if share:
    reached = 2 * size**3 * times['images'] / (times['ours'] * 1e-3) / peak
    line('of matrix-product peak', f'{reached:.0%}', f'{share:.0%}')
  return lines


# What is measured.


def clock(function, *args, repeats=7, warm=2) -> float:
  """Median CPU milliseconds of one call, after some to warm up."""
  for _ in range(warm):
    jax.block_until_ready(function(*args))
  times = []
  for _ in range(repeats):
    start = time.process_time()
    jax.block_until_ready(function(*args))
    times.append(time.process_time() - start)
  return 1e3 * float(np.median(times))


def compare(crystal, grid, sigma, peers):
  """One crystal, everybody."""
  positions, numbers, cell = crystal
  centers, weights = all_images(crystal, grid, sigma)
  most = ladder(len(centers))
  static = {'grid': grid, 'sigma': sigma, 'max_images': most}
  turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
  turn = jnp.asarray(turn)

  row = {'images': len(centers)}
  padded = pad(centers, most), pad(weights, most)
  density = jitted(cj.voxelize, **static)
  row['ours'] = clock(lambda: density(*padded, None))
  slots = -(-len(numbers) // SLOTS) * SLOTS
  args = pad(positions, slots), pad(numbers, slots), jnp.float32(cell)
  whole = jitted(rotated, **static)
  row['ours+images'] = clock(lambda: whole(*args, turn))

  truth = np.asarray(density(*padded, None))
  highest = weights.max() * (2 * np.pi * sigma**2) ** -1.5
  for name, make in peers.items():
    run, result = make(centers, weights, grid, sigma)
    slow = grid.size > 100 and name in ('libmolgrid', 'numba', 'numpy')
    row[name] = clock(run, repeats=1 if slow else 5, warm=1)
    if result is not None:
      wrong = np.abs(result() - truth).max() / highest
      assert wrong < 1e-5, f'{name} is off by {wrong} of a peak'
  return row


@functools.cache
def jitted(function, **static):
  """One jit for each signature, so that crystals share a trace."""
  return jax.jit(functools.partial(function, **static))


def rotated(positions, numbers, cell, turn, **static):
  return cj.voxelize(positions @ turn, numbers, cell @ turn, **static)


def all_images(crystal, grid, sigma):
  """Every image that reaches the box: where, and its atomic number."""
  positions, numbers, cell = crystal
  reach = 5.5 * sigma
  images = periodic.find_images(
    jnp.asarray(positions),
    jnp.ones(len(numbers), bool),
    jnp.asarray(cell),
    grid=grid,
    reach=reach,
    max_images=ladder(count_reaching(positions, cell, grid=grid, reach=reach)),
  )
  used = np.asarray(images.filled)
  centers = positions[images.atom] + np.asarray(images.translation) @ cell
  return centers[used].astype(np.float32), numbers[images.atom][used]


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
      forward, both = jitted(cj.voxelize, **static), jitted(pulled, **static)
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


def pulled(field, *args, **static):
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


def matmul_peak() -> float:
  """FLOP/s of XLA's own float32 matrix product."""
  matrix = jnp.ones((1024, 1024), jnp.float32)
  return 2 * 1024**3 / (clock(jax.jit(jnp.matmul), matrix, matrix) * 1e-3)


# Crystals.


def random_crystals(count):
  """Triclinic cells of 15 Å³ an atom, up to 20 atoms."""
  rng, crystals = np.random.default_rng(0), []
  while len(crystals) < count:
    lengths, angles = rng.uniform(2.5, 9, 3), rng.uniform(50, 130, 3)
    cell = lattice.from_lengths_and_angles(lengths, angles)
    cell = np.asarray(cell, np.float64)  # NaN where no cell has these angles
    atoms = np.nan_to_num(np.abs(np.linalg.det(cell)) / 15).round().astype(int)
    if 1 <= atoms <= 20:
      positions = rng.random((atoms, 3)) @ cell
      crystals.append((positions, rng.integers(1, 90, atoms), cell))
  return crystals


def real_crystals(count):
  """From the data set that comes with the repository."""
  from crystal_jax.data import sources

  split = sources.load_split('datasets/oqmd_icsd20', 'train')
  chosen = np.random.default_rng(0).choice(len(split), count, replace=False)
  crystals = []
  for i in chosen:
    record = split[int(i)]
    full = np.asarray(record['numbers']) > 0
    crystals.append(
      (
        np.asarray(record['positions'], np.float64)[full],
        np.asarray(record['numbers'])[full],
        np.asarray(record['cell'], np.float64),
      )
    )
  return crystals


if __name__ == '__main__':
  main()
