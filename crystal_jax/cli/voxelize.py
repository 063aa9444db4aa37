"""A crystal file to its density: a .npy array or a Gaussian cube.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax voxelize NaCl.cif --out=NaCl.npy --length=10
  python -m crystal_jax voxelize NaCl.cif --out=NaCl.cube

With --length the crystal repeats in a cubic box around the origin; without, the
grid is the unit cell itself. Values are weight per Å³ of Z-weighted Gaussians,
not an electron density.
"""

import argparse
import pathlib

import numpy as np

from crystal_jax.density import grids
from crystal_jax.density.voxelize import voxelize
from crystal_jax.io import atomic, cube, read


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('crystal', type=pathlib.Path, help='a crystal file')
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='.cube or .npy file'
  )
  parser.add_argument(
    '--sigma', type=float, default=0.5,
    help='standard deviation of an atom, Å (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument('--length', type=float, help='side of a cubic box, Å')
  parser.add_argument(
    '--size', type=int, help='voxels a side; default: 60 of a box, 32 of a cell'
  )


def run(args: argparse.Namespace) -> int:
  """Writes one density; returns the exit status."""
  if args.out.suffix not in ('.cube', '.npy'):
    raise ValueError(f'{args.out} is neither a .cube nor a .npy file.')
  crystal = read(args.crystal)
  grid: grids.BoxGrid | grids.CellGrid
  if args.length:
    grid = grids.BoxGrid(args.length, args.size or 60)
  else:
    grid = grids.CellGrid(args.size or 32)
  density = voxelize(
    crystal.positions,
    crystal.numbers,
    crystal.cell,
    grid=grid,
    sigma=args.sigma,
    band_limit=isinstance(grid, grids.CellGrid),
  )
  if args.out.suffix == '.npy':
    with atomic.replacing(args.out) as partial:
      np.save(partial, np.asarray(density))
  else:
    cube.write_cube(
      args.out, density, grid=grid, cell=crystal.cell, crystal=crystal
    )
  print(f'wrote {args.out}')
  return 0
