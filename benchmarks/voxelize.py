"""Times of `voxelize` beside every installed peer, in one run.

  pip install -e '.[bench]'
  taskset -c 1 python -m benchmarks.voxelize

Times are the median CPU time of this process, in milliseconds: on one core
that is the time on the clock, less what other programs take from it. Every
peer sums Gaussians out to 5.5 sigma over the same images of the same crystals.
A peer that is not installed is named as missing.
"""

import argparse
import platform

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from benchmarks import voxelize_tables
from benchmarks.voxelize_crystals import random_crystals, real_crystals
from benchmarks.voxelize_peers import load_peers, pad
from benchmarks.voxelize_tables import SLOTS
from benchmarks.voxelize_timing import clock, jitted, matmul_peak
from crystal_jax.density import images as periodic
from crystal_jax.density.image_counts import count_reaching, ladder

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

  voxelize_tables.gradient(crystals[: args.random])
  voxelize_tables.batches(real[: args.many])
  voxelize_tables.cell_grids(real[:16])
  voxelize_tables.growth()


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


def compare(crystal, grid, sigma, peers):
  """Times of this library and of all peers for one crystal, ms."""
  positions, numbers, cell = crystal
  centers, weights = all_images(crystal, grid, sigma)
  most = ladder(len(centers))
  static = {'grid': grid, 'sigma': sigma, 'max_images': most}
  rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
  rotation = jnp.asarray(rotation)

  row = {'images': len(centers)}
  padded = pad(centers, most), pad(weights, most)
  density = jitted(cj.voxelize, **static)
  row['ours'] = clock(lambda: density(*padded, None))
  slots = -(-len(numbers) // SLOTS) * SLOTS
  args = pad(positions, slots), pad(numbers, slots), jnp.float32(cell)
  whole = jitted(rotated, **static)
  row['ours+images'] = clock(lambda: whole(*args, rotation))

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


def rotated(positions, numbers, cell, rotation, **static):
  return cj.voxelize(positions @ rotation, numbers, cell @ rotation, **static)


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


if __name__ == '__main__':
  main()
