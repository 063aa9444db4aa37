"""How fast `voxelize` is, beside every peer that is installed, in one run.

  pip install -e '.[bench]'
  taskset -c 1 python benchmarks/voxelize.py

Times are the median CPU time of this process, in milliseconds: on one core
that is the time on the clock, less what other programs take from it. Every
peer sums Gaussians out to 5.5 sigma over the same images of the same crystals.
A peer that is not installed is named as missing.
"""

import argparse
import functools
import importlib
import platform
import time

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from crystal_jax import images as periodic

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
  parser.add_argument('--real', type=int, default=8, help='for every peer')
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

  gradient(crystals)
  batches(real[: args.many])
  cell_grids(real[: args.real])
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


def clock(function, *args, repeats=7) -> float:
  """Median CPU milliseconds of one call, after two to warm up."""
  for _ in range(2):
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
  most = periodic.ladder(len(centers))
  static = {'grid': grid, 'sigma': sigma, 'max_images': most}
  turn = jnp.asarray(
    np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
  )

  def rotated(positions, numbers, cell, turn):
    return cj.voxelize(positions @ turn, numbers, cell @ turn, **static)

  row = {'images': len(centers)}
  padded = pad(centers, most), pad(weights, most)
  density = jit_once(cj.voxelize, **static)
  row['ours'] = clock(lambda: density(*padded, None))
  slots = -(-len(numbers) // 8) * 8
  args = pad(positions, slots), pad(numbers, slots), jnp.float32(cell)
  whole = jit_once(rotated, **static)
  row['ours+images'] = clock(lambda: whole(*args, turn))

  truth = np.asarray(density(*padded, None))
  highest = weights.max() * (2 * np.pi * sigma**2) ** -1.5
  for name, make in peers.items():
    run, result = make(centers, weights, grid, sigma)
    slow = grid.size > 100 and name in ('libmolgrid', 'numba', 'numpy')
    row[name] = clock(run, repeats=2 if slow else 5)
    if result is not None:
      wrong = np.abs(result() - truth).max() / highest
      assert wrong < 1e-5, f'{name} is off by {wrong} of a peak'
  return row


_JITTED = {}


def jit_once(function, **static):
  """One jit for each signature, so that crystals share a trace."""
  key = (function.__name__, *sorted((k, v) for k, v in static.items()))
  if function.__name__ == 'voxelize':
    function = functools.partial(function, **static)
  return _JITTED.setdefault(str(key), jax.jit(function))


def pad(array, slots):
  array = np.asarray(array, np.float32)
  spare = [(0, slots - len(array))] + [(0, 0)] * (array.ndim - 1)
  return jnp.asarray(np.pad(array, spare))


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
    max_images=periodic.count_reaching(positions, cell, grid=grid, reach=reach),
  )
  used = np.asarray(images.filled)
  centers = positions[images.atom] + np.asarray(images.translation) @ cell
  return centers[used].astype(np.float32), numbers[images.atom][used]


def gradient(crystals):
  """Forward and gradient, over forward."""
  print('\n| work | forward ms | forward and gradient ms | ratio | goal |')
  print('|---|---|---|---|---|')
  positions, numbers, cell = crystals[0]
  args = jnp.float32(positions), jnp.float32(numbers), jnp.float32(cell)
  for size, sigma in [(30, 0.5), (60, 0.5), (60, 1.0), (60, 0.25)]:
    grid = cj.BoxGrid(10.0, size)
    most = periodic.ladder(
      cj.count_images(positions, cell, grid=grid, sigma=sigma)
    )
    run = functools.partial(
      cj.voxelize, grid=grid, sigma=sigma, max_images=most
    )
    field = jax.random.normal(jax.random.key(0), grid.shape)

    def pulled(field, *args, run=run):
      density, pull = jax.vjp(run, *args)
      return density, pull(field)

    forward = clock(jax.jit(run), *args, repeats=15)
    both = clock(jax.jit(pulled), field, *args, repeats=15)
    goal = '3.5' if (size, sigma) == (60, 0.5) else ''
    print(
      f'| {size}³, σ {sigma} | {forward:.2f} | {both:.2f} | '
      f'{both / forward:.2f} | {goal} |'
    )


def batches(crystals):
  """Real crystals in batches; a batch shares the largest one's slots."""
  print('\n| 30³, σ 0.5, real crystals | ms a crystal |\n|---|---|')
  grid = cj.BoxGrid(10.0, 30)
  counts = [cj.count_images(p, c, grid=grid, sigma=0.5) for p, _, c in crystals]
  most = periodic.ladder(max(counts))
  slots = max(len(n) for _, n, _ in crystals)
  for size in (1, 64, 1024):
    some = [crystals[i % len(crystals)] for i in range(size)]
    args = (
      jnp.stack([pad(p, slots) for p, _, _ in some]),
      jnp.stack([pad(n, slots) for _, n, _ in some]),
      jnp.stack([jnp.float32(c) for _, _, c in some]),
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
      slots = periodic.ladder(len(numbers))
      run = jit_once(
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
    cell = cj.Crystal.from_ase(_ase_cell(lengths, angles)).cell
    atoms = round(abs(np.linalg.det(cell)) / 15)
    if 1 <= atoms <= 20:
      positions = rng.random((atoms, 3)) @ cell
      crystals.append((positions, rng.integers(1, 90, atoms), cell))
  return crystals


def _ase_cell(lengths, angles):
  import ase

  try:
    return ase.Atoms('H', cell=[*lengths, *angles], pbc=True)
  except AssertionError:  # no such angles
    return ase.Atoms('H', cell=[1, 1, 1], pbc=True)


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


# Peers. Each makes a function to time, and one that gives its density.


def load_peers():
  makers = {
    'libmolgrid': ('molgrid', molgrid_peer),
    'cryojax': ('cryojax', cryojax_peer),
    'numba': ('numba', numba_peer),
  }
  peers, missing = {}, []
  for name, (module, make) in makers.items():
    try:
      importlib.import_module(module)
    except ImportError as problem:
      missing.append(f'{name} ({problem})')
    else:
      peers[name] = make
  return peers | {'jnp.einsum': einsum_peer, 'numpy': numpy_peer}, missing


def molgrid_peer(centers, weights, grid, sigma):
  import molgrid

  count, size = len(centers), grid.size
  # Its Gaussian is exp(-2 d²/r²) out to 2.75 r: r is 2 σ.
  maker = molgrid.GridMaker(
    grid.spacing, grid.length - grid.spacing, False, False, 1.0, 2.75
  )
  where = molgrid.MGrid2f(count, 3)
  types = molgrid.MGrid2f(count, 1)
  radii = molgrid.MGrid1f(count)
  out = molgrid.MGrid4f(1, size, size, size)
  for i in range(count):
    for k in range(3):
      where[i][k] = float(centers[i, k])
    types[i][0] = float(weights[i] * (2 * np.pi * sigma**2) ** -1.5)
    radii[i] = 2 * sigma
  origin = molgrid.float3(0, 0, 0)

  def run():
    maker.forward(origin, where.cpu(), types.cpu(), radii.cpu(), out.cpu())

  return run, None  # read voxel by voxel: checked once, by hand


def cryojax_peer(centers, weights, grid, sigma):
  from cryojax import simulator

  render = simulator.GaussianMixtureRenderFn(grid.shape, grid.spacing)

  @jax.jit
  def run(centers, weights):
    volume = simulator.GaussianMixtureVolume(centers, weights, sigma**2)
    return render(volume)

  most = periodic.ladder(len(centers))
  args = pad(centers, most), pad(weights, most)
  key = ('cryojax', grid, sigma, most)
  run = _JITTED.setdefault(str(key), run)
  return lambda: run(*args), None  # it averages over a voxel: not the same sum


def einsum_peer(centers, weights, grid, sigma):
  def einsum(centers, weights):
    axis = jnp.asarray(grid.axis(), jnp.float32)
    offset = (axis[:, None, None] - centers[None]) / sigma
    x, y, z = jnp.moveaxis(jnp.exp(-0.5 * offset**2), -1, 0)
    x *= weights[None] * (2 * np.pi * sigma**2) ** -1.5
    return jnp.einsum('im,jm,km->ijk', x, y, z)

  most = periodic.ladder(len(centers))
  run = jit_once(einsum, grid=grid, sigma=sigma)
  args = pad(centers, most), pad(weights, most)
  return lambda: run(*args), lambda: np.asarray(run(*args))


def numpy_peer(centers, weights, grid, sigma):
  def run():
    axis = grid.axis().astype(np.float32)
    offset = (axis[:, None, None] - centers[None]) / np.float32(sigma)
    x, y, z = np.moveaxis(np.exp(-0.5 * offset**2), -1, 0)
    x = x * (weights * (2 * np.pi * sigma**2) ** -1.5).astype(np.float32)
    pairs = (x[:, None] * y[None]).reshape(-1, len(centers))
    return (pairs @ z.T).reshape(grid.shape)

  return run, run


def numba_peer(centers, weights, grid, sigma):
  splat = numba_splat()
  scaled = (weights * (2 * np.pi * sigma**2) ** -1.5).astype(np.float32)
  axis = grid.axis().astype(np.float32)
  run = functools.partial(
    splat, centers, scaled, axis, np.float32(sigma), np.float32(5.5 * sigma)
  )
  return run, run


@functools.cache
def numba_splat():
  import numba

  @numba.njit(fastmath=True)
  def splat(centers, weights, axis, sigma, reach):
    size, spacing = len(axis), axis[1] - axis[0]
    out = np.zeros((size, size, size), np.float32)
    factor = np.zeros((3, size), np.float32)
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for m in range(len(centers)):
      for d in range(3):
        first = (centers[m, d] - reach - axis[0]) / spacing
        last = (centers[m, d] + reach - axis[0]) / spacing
        low[d] = max(0, int(np.ceil(first)))
        high[d] = min(size - 1, int(np.floor(last)))
        for i in range(low[d], high[d] + 1):
          t = (axis[i] - centers[m, d]) / sigma
          factor[d, i] = np.exp(np.float32(-0.5) * t * t)
      for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
          xy = weights[m] * factor[0, i] * factor[1, j]
          for k in range(low[2], high[2] + 1):
            out[i, j, k] += xy * factor[2, k]
    return out

  return splat


def numpy_cell(positions, numbers, cell, size, sigma):
  """Structure factors by a matrix product, then irfftn."""
  inverse = np.linalg.inv(cell)
  fractional = (positions @ inverse).astype(np.float32)
  n = np.fft.fftfreq(size) * size
  orders = [n, n, n[: size // 2 + 1]]
  x, y, z = (
    np.exp(-2j * np.pi * np.outer(fractional[:, i], n)).astype(np.complex64)
    for i, n in enumerate(orders)
  )
  pairs = (y[:, :, None] * z[:, None]).reshape(len(numbers), -1)
  factors = ((x * numbers[:, None].astype(np.float32)).T @ pairs).reshape(
    size, size, -1
  )
  waves = [np.outer(n, inverse.T[i]) for i, n in enumerate(orders)]
  squares = 0.0
  for i in range(3):
    a, b, c = (wave[:, i].astype(np.float32) for wave in waves)
    squares = squares + (a[:, None, None] + b[None, :, None] + c) ** 2
  envelope = np.exp(np.float32(-2 * (np.pi * sigma) ** 2) * squares)
  density = np.fft.irfftn(factors * envelope, (size,) * 3, axes=(0, 1, 2))
  return density * (size**3 / abs(np.linalg.det(cell)))


if __name__ == '__main__':
  main()
