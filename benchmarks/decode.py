"""Density back to crystals, without a neural network: matches and speed.

Prints one row a grid and filling. The truth is 1000 crystals of the published
MP-20 validation rows, sampled with a fixed seed. Boxes show them centred and
rotated at random; the row `aligned` as they are in the file, most with an atom
at the origin and axes along the box.

  taskset -c 1 python -m benchmarks.decode    # all rows, on 1000 crystals
  python -m benchmarks.decode --rows=cell,paper --crystals=100

Needs no extra.
"""

import argparse
import functools
import pathlib
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from benchmarks import compact_crystals, decode_scores

DATA = pathlib.Path(__file__).parents[1] / '..' / 'shared' / 'data'
ROWS = {
  'cell': (cj.CellGrid(32), 0.5, 64),
  'single': (cj.BoxGrid(10.0, 60), 0.5, 64),
  'repeating': (cj.BoxGrid(10.0, 60), 0.5, 512),
  'aligned': (cj.BoxGrid(10.0, 60), 0.5, 512),
  'paper': (cj.BoxGrid(10.0, 30), 1.0, 64),
}
# Number of densities that are decoded together.
BATCH = 20


def main():
  parser = arguments(__doc__, crystals=1000)
  parser.add_argument('--rows', default=','.join(ROWS))
  parser.add_argument(
    '--atoms-only', action='store_true',
    help='find lattices from the atoms alone, without the density',
  )  # fmt: skip
  args = parser.parse_args()
  path = args.data / f'{args.set}.npz'
  crystals, _ = compact_crystals.read_random(path, args.crystals, args.seed)
  for name in args.rows.split(','):
    run(name, crystals, with_density=not args.atoms_only, verbose=True)


def arguments(doc, crystals):
  """Parser of the arguments that name crystals."""
  parser = argparse.ArgumentParser(description=doc.split('\n')[0])
  parser.add_argument('--data', type=pathlib.Path, default=DATA)
  parser.add_argument('--set', default='mp_20_part_val')
  parser.add_argument('--crystals', type=int, default=crystals)
  parser.add_argument('--seed', type=int, default=0)
  return parser


def rotations(count, seed=1):
  """Uniformly random rotations, [count, 3, 3]."""
  q = np.random.default_rng(seed).normal(size=(count, 4))
  w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
  rows = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
  ]
  return np.moveaxis(np.array(rows), -1, 0)


def run(name, crystals, *, noise=None, with_density=True, verbose=False):
  """One row of the table: values by name."""
  grid, sigma, slots = ROWS[name]
  placed = [
    placed_crystal(name, crystal, rotation, grid, sigma)
    for crystal, rotation in zip(
      crystals, rotations(len(crystals)), strict=True
    )
  ]
  indices = [i for i, crystal in enumerate(placed) if crystal is not None]
  rows, times = [], []
  # Whole batches, the last one filled up with the first, so that one is traced.
  for start in range(0, len(indices), BATCH):
    batch = np.resize(indices[start : start + BATCH], BATCH)
    truths = [placed[i] for i in batch]
    density = [render(name, truth, grid, sigma) for truth in truths]
    if noise is not None:
      density = [
        d + noise(i, d, sigma) for i, d in zip(batch, density, strict=True)
      ]
    cells = np.stack([t.cell for t in truths]) if name == 'cell' else None
    decode = functools.partial(
      cj.decode_batch,
      jnp.stack(density),
      cell=cells,
      grid=grid,
      sigma=sigma,
      max_atoms=slots,
    )
    if not start:
      jax.block_until_ready(decode())  # compile
    begin = time.process_time()
    atoms = jax.block_until_ready(decode())
    times.append(1e3 * (time.process_time() - begin) / BATCH)
    atoms = jax.tree.map(np.asarray, atoms)
    for k, i in enumerate(indices[start : start + BATCH]):
      one = jax.tree.map(lambda x, k=k: x[k], atoms)
      given = density[k] if with_density else None
      row = decode_scores.score(name, truths[k], one, grid, sigma, given)
      rows.append(row | {'crystal': i})
  summary = decode_scores.summarize(name, rows)
  summary['CPU ms a crystal'] = float(np.mean(times))
  if verbose:
    print(f'\n{name}: {grid}, sigma {sigma}, {len(rows)} crystals')
    for key, value in summary.items():
      print(f'  {key:44s} {value:.6g}')
    missed = [row['crystal'] for row in rows if not row['exact']]
    print(f'  missed: {missed[:40]}', flush=True)
  return summary


def placed_crystal(name, crystal, rotation, grid, sigma):
  """The crystal in the frame of the row; None if it does not fit the box."""
  if name in ('cell', 'aligned'):
    return crystal
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  positions = (fractional % 1.0) @ crystal.cell
  positions = (positions - positions.mean(axis=0)) @ rotation.T
  if name != 'repeating':
    far = np.linalg.norm(positions, axis=1).max()
    if far > grid.length / 2 - 2 * sigma:
      return None
  return cj.Crystal(crystal.numbers, positions, crystal.cell @ rotation.T)


def render(name, crystal, grid, sigma):
  cell = None if name in ('single', 'paper') else crystal.cell
  crystal = crystal.pad(-(-len(crystal.numbers) // 32) * 32)  # few traces
  return cj.voxelize(
    crystal.positions,
    crystal.numbers,
    cell,
    grid=grid,
    sigma=sigma,
    band_limit=name == 'cell',
  )


if __name__ == '__main__':
  warnings.filterwarnings('ignore', module='pymatgen|spglib')
  main()
