"""Code length of a crystal as a list, in nats: a baseline for the KL.

The list holds the number of atoms, the elements and their numbers of atoms, the
lattice and the positions, the last two rounded. Each entry is coded with the
frequencies of a training set:

- the primitive cell in its standard frame, one atom at the origin;
- elements in order, each given those before it (by how often two elements occur
  in one crystal); their numbers of atoms given the element and the number of
  atoms that remain;
- the volume relative to the sum of the elements' volumes; then ratios and
  cosines of the reduced cell, each given whether those before are special;
- positions on a grid whose steps follow the lengths of the axes, so that 0,
  1/2, 1/3 and 1/4 lie on it. They are sorted within a species, and impossible
  ones are left out, so that the order costs nothing. Each coordinate is
  predicted by its frequency on that axis, by the coordinate before it on the
  same axis, by that on the axis before it, and by all earlier ones of the same
  crystal, up to sign and a shift by a half. The four predictions are mixed with
  weights that are fitted on the training set.

  nice python -m benchmarks.list_code --crystals=1000

*plain* is the same list with atoms in any order, each element by its frequency,
and uniform positions and lattices.

The rounded list is decoded and scored like the crystals of a codec. It ignores
symmetry (space group and Wyckoff letters instead of positions), so that it is
not a lower bound.
"""

from __future__ import annotations

import argparse
import math
import pathlib

import numpy as np

import crystal_jax as cj
from benchmarks.list_lattices import Lattices
from benchmarks.list_positions import Positions, axis_steps
from benchmarks.list_species import Species
from crystal_jax.evaluation import match_summary, matching
from crystal_jax.representation import frame

DATA = pathlib.Path(__file__).parents[1] / '..' / 'shared' / 'data'
# Rows of the table: the target RMSE of positions, (V/N)^(1/3), and the step of
# the lattice numbers (logarithms of lengths, and cosines of angles).
ROWS = ((0.05, 0.04), (0.01, 0.01))
# Training crystals that the grid spacing is chosen on.
_SPACING_CRYSTALS = 500


def main():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--data', type=pathlib.Path, default=DATA)
  parser.add_argument('--train', default='mp_le20_train')
  parser.add_argument('--val', default='mp_20_part_val')
  parser.add_argument('--crystals', type=int, default=1000)
  parser.add_argument(
    '--learn', type=int, default=50_000, help='training crystals'
  )
  parser.add_argument(
    '--fit',
    type=int,
    default=2000,
    help='training crystals that the mixture is fitted to',
  )
  parser.add_argument(
    '--cache', type=pathlib.Path, help='folder to keep standard frames in'
  )
  args = parser.parse_args()
  train = frames(args.data / f'{args.train}.npz', args.learn, args.cache)
  val = frames(args.data / f'{args.val}.npz', args.crystals, args.cache)
  print(
    '| target RMSE | count | species | lattice | positions | **nats** | plain '
    '| match | RMSE | strict | length error | angle error |\n|' + '---|' * 12
  )
  species = Species(train)
  for rmse, step in ROWS:
    print(row(rmse, step, train, val, species, args.fit), flush=True)


def row(rmse, step, train, val, species, num_fitted):
  """One row of the table.

  Args:
    rmse: Target RMSE of positions, (V/N)^(1/3).
    step: Step of the lattice numbers.
    train: Standard frames (numbers, fractional, cell) of the training set.
    val: Standard frames of the crystals to code.
    species: The code of the species.
    num_fitted: Number of training crystals that the mixture is fitted to.
  """
  spacing = find_spacing(train[:_SPACING_CRYSTALS], rmse)
  lattices = Lattices(train, step, species.volumes)
  positions = Positions(train, spacing, num_fitted)
  costs, plain, decoded = [], [], []
  for numbers, fractional, cell in val:
    bins = lattices.bins(cell)
    rounded_cell = lattices.cell(bins)
    rounded_cell = cell if rounded_cell is None else rounded_cell
    steps = axis_steps(rounded_cell, spacing)
    costs.append(
      (
        *species.cost(numbers),
        lattices.cost(bins, numbers),
        positions.cost(numbers, fractional, steps),
      )
    )
    plain.append(
      species.plain_cost(numbers)
      + lattices.plain_cost()
      + (len(numbers) - 1) * np.log(steps).sum()
    )
    rounded = np.rint(fractional * steps) / steps
    decoded.append(cj.Crystal(numbers, rounded @ rounded_cell, rounded_cell))
  true = [cj.Crystal(n, f @ c, c) for n, f, c in val]
  scores = match_summary.summarize(matching.compare(true, decoded))
  mean = np.mean(costs, axis=0)
  return (
    f'| {rmse} | {mean[0]:.1f} | {mean[1]:.1f} | {mean[2]:.1f} | '
    f'{mean[3]:.1f} | **{mean.sum():.0f}** | {np.mean(plain):.0f} | '
    f'{scores["match"]:.1%} | {scores["rmse"]:.4f} | {scores["strict"]:.1%} | '
    f'{scores["length_error"]:.2%} | {scores["angle_error"]:.2f}° |'
  )


def frames(path, count, cache=None):
  """Standard frames of random crystals of a file.

  Args:
    path: A compact file.
    count: Number of crystals.
    cache: Folder of the frames of all crystals; None: they are not kept.

  Returns:
    (numbers, fractional, cell) of each crystal.
  """
  cached = cache and cache / path.name
  if cached and cached.is_file():
    with np.load(cached) as file:
      columns = [file[name] for name in ('numbers', 'frac', 'cell')]
  else:
    columns = _all_frames(path)
    if cached:
      cache.mkdir(parents=True, exist_ok=True)
      np.savez(cached, numbers=columns[0], frac=columns[1], cell=columns[2])
  crystals = [
    (n[n > 0], f[n > 0].astype(np.float64), c.astype(np.float64))
    for n, f, c in zip(*columns, strict=True)
  ]
  order = np.random.default_rng(0).permutation(len(crystals))[:count]
  return [crystals[i] for i in order]


def _all_frames(path):
  """Padded columns of the standard frames: numbers, fractional, cells."""
  with np.load(path) as file:
    data = dict(file)
  atoms = np.diff(data['offsets'])
  numbers = np.zeros((len(atoms), atoms.max()), np.int32)
  fractional = np.zeros((*numbers.shape, 3))
  cells = np.zeros((len(atoms), 3, 3))
  for i in range(len(atoms)):
    crystal = slice(*data['offsets'][i : i + 2])
    n, f, cells[i] = frame.standard_frame(
      data['numbers'][crystal], data['frac'][crystal], data['cell'][i]
    )
    numbers[i, : len(n)], fractional[i, : len(n)] = n, f
  return numbers, fractional, cells


def find_spacing(crystals, rmse):
  """Grid spacing at which rounding has a mean RMSE, by bisection, Å.

  Args:
    crystals: Standard frames (numbers, fractional, cell).
    rmse: The RMSE, (V/N)^(1/3).
  """
  low, high = 0.01, 2.0
  for _ in range(12):
    middle = math.sqrt(low * high)
    errors = []
    for _, fractional, cell in crystals:
      steps = axis_steps(cell, middle)
      error = (fractional - np.rint(fractional * steps) / steps) @ cell
      error -= error.mean(axis=0)
      size = (abs(np.linalg.det(cell)) / len(error)) ** (1 / 3)
      errors.append(np.sqrt(np.square(error).sum(-1).mean()) / size)
    low, high = (middle, high) if np.mean(errors) < rmse else (low, middle)
  return low


if __name__ == '__main__':
  main()
