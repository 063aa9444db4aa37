"""Time and memory of preparing a data set of a given size.

  python -m benchmarks.prepare_scale --count=100000 --method=prepare
  python -m benchmarks.prepare_scale --count=100000 --method=beam

The input is JSON lines of OPTIMADE entries: random structures of 2 to 20 atoms.
A run prints one row of a table: method, number of crystals, wall time, CPU time
of all processes, peak memory of this process and of its largest child.
"""

import argparse
import json
import os
import pathlib
import resource
import tempfile
import time

import numpy as np

from crystal_jax import data
from crystal_jax.structure import elements


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--count', type=int, default=10000)
  parser.add_argument(
    '--method', choices=['prepare', 'beam'], default='prepare'
  )
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    write(folder / 'in.jsonl', args.count)
    start, before = time.perf_counter(), os.times()
    if args.method == 'beam':
      sizes = data.prepare_with_beam([folder / 'in.jsonl'], folder / 'out')
      crystals = sum(sizes.values())
    else:
      crystals = data.prepare([folder / 'in.jsonl'], folder / 'out').crystals
    seconds, after = time.perf_counter() - start, os.times()
    assert crystals == args.count
  # The first four are user and system time, of this process and its children.
  cpu = sum(after[:4]) - sum(before[:4])
  peaks = [
    resource.getrusage(who).ru_maxrss / 1024
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  ]
  print(
    f'| {args.method} | {args.count} | {seconds:.0f} s | {cpu:.0f} s | '
    f'{peaks[0]:.0f} MB | {peaks[1]:.0f} MB |'
  )


def write(path: pathlib.Path, count: int) -> None:
  """Writes random structures with atoms on a grid, so that no two touch.

  Args:
    path: The JSON lines file.
    count: Number of structures.
  """
  rng = np.random.default_rng(0)
  grid = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), 1) / 3
  with path.open('w') as file:
    for i in range(count):
      num_atoms = int(rng.integers(2, 21))
      cell = np.eye(3) * rng.uniform(6, 9) + rng.normal(0, 0.3, (3, 3))
      fractional = grid[rng.permutation(27)[:num_atoms]]
      species = rng.integers(3, 84, rng.integers(1, 5))
      entry = {
        'id': f'made-{i}',
        'energy': float(rng.normal()),
        'lattice_vectors': cell.tolist(),
        'cartesian_site_positions': (fractional @ cell).tolist(),
        'species_at_sites': [
          elements.symbol(int(z)) for z in rng.choice(species, num_atoms)
        ],
      }
      file.write(f'{json.dumps(entry)}\n')


if __name__ == '__main__':
  main()
