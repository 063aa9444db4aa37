"""A crystal file as an interactive page: atoms, bonds, cell, isosurface.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax show NaCl.cif --out=NaCl.html

The page is one HTML file that opens offline in any browser.
`--density` adds an isosurface of the Gaussian density. Several files, or a file
of several crystals, become a film strip with a slider.
"""

import argparse
import pathlib

import numpy as np

from crystal_jax import viewer
from crystal_jax.density import CellGrid, voxelize
from crystal_jax.io import read_all
from crystal_jax.structure.crystal import Crystal

# Voxels a side of the isosurface.
_SIZE = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument(
    'crystals', nargs='+', type=pathlib.Path, metavar='IN', help='crystal files'
  )
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='.html file'
  )
  parser.add_argument(
    '--density', action='store_true', help='draw an isosurface of the density'
  )
  parser.add_argument(
    '--sigma', type=float, default=0.5,
    help='standard deviation of an atom, Å (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument(
    '--level', type=float, default=0.05,
    help="value of the isosurface, as a share of the density's maximum "
    '(default: %(default)s)',
  )  # fmt: skip


def run(args: argparse.Namespace) -> int:
  """Writes the page."""
  crystals = [c for path in args.crystals for c in read_all(path)]
  rows = [[_panel(crystal, args)] for crystal in crystals]
  viewer.write_page(
    args.out, rows, title=', '.join(p.name for p in args.crystals)
  )
  print(f'{args.out}: {len(rows)} crystal' + 's' * (len(rows) != 1))
  return 0


def _panel(crystal: Crystal, args: argparse.Namespace) -> viewer.Panel:
  if not args.density:
    return viewer.Panel(crystal)
  density = voxelize(
    crystal.positions,
    crystal.numbers,
    crystal.cell,
    grid=CellGrid(_SIZE),
    sigma=args.sigma,
    band_limit=True,
  )
  return viewer.Panel(crystal, density=np.asarray(density), level=args.level)
