"""A density file to a crystal file.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax voxelize NaCl.cif --out=NaCl.cube
  python -m crystal_jax decode-density NaCl.cube --out=decoded.cif

A .npy file holds [X, Y, Z] and needs the place of its voxels: --length, for a
box of equal sides that the crystal repeats in, or --cell, for a unit cell. A
cube file holds it already. The density must be Z-weighted Gaussians of standard
deviation --sigma, as `voxelize` makes them; an electron density from DFT is
something else and gets a warning.
"""

import argparse
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax import decoding, lattice_search
from crystal_jax.cli import output_options
from crystal_jax.decoding.decode import DecodedAtoms
from crystal_jax.density import grids
from crystal_jax.io import atomic, cube, write

# Signs that a density is not one of Gaussian atoms. Not tuned.
# Its minimum is negative and exceeds this share of its maximum in magnitude.
_MAX_NEGATIVE = 0.2
# The RMS of the residual density exceeds this share of that of the density.
_MAX_RESIDUAL = 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('density', type=pathlib.Path, help='.cube or .npy file')
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, default='decoded.cif',
    help='crystal file to write (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument(
    '--sigma', type=float, default=0.5,
    help='standard deviation of an atom, Å (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument(
    '--length', type=float, help='side of the cubic box of a .npy file, Å'
  )
  parser.add_argument(
    '--cell', type=float, nargs=9, metavar='Å',
    help='lattice vectors of the unit cell of a .npy file, one after another',
  )  # fmt: skip
  parser.add_argument(
    '--max-atoms', type=int, default=512,
    help='maximum number of decoded atoms, images in the box included '
    '(default: %(default)s)',
  )  # fmt: skip
  output_options.add_symmetrize(parser, '--symprec')
  parser.add_argument(
    '--picture', type=pathlib.Path,
    help='also draw the density and its atoms to this file, such as atoms.png '
    '(needs the extra [plots])',
  )  # fmt: skip


def run(args: argparse.Namespace) -> int:
  """Decodes one density; returns the exit status."""
  density, grid, cell = _read(args)
  atoms = decoding.decode_density(
    density, grid=grid, sigma=args.sigma, cell=cell, max_atoms=args.max_atoms
  )
  atoms = jax.tree.map(np.asarray, atoms)
  residual = float(atoms.residual)
  print(
    f'{atoms.mask.sum()} atoms, {atoms.inside.sum()} inside the '
    f'{"box" if cell is None else "cell"}; residual RMS {residual:.1%} of the '
    'density'
  )
  for sign in non_gaussian_signs(density, residual):
    print(
      f'warning: {sign}. This decoder expects atoms as Gaussians of standard '
      f'deviation {args.sigma} Å with the weight Z, not an electron density.',
      file=sys.stderr,
    )
  try:
    _write_crystal(args, atoms, density, cell)
  finally:  # The picture shows why no lattice was found.
    if args.picture:
      _draw(args.picture, atoms, density, grid, cell)
      print(f'wrote {args.picture}')
  return 0


def _read(args):
  """The density, its grid and its cell (None in a box)."""
  if args.density.suffix == '.cube':
    if args.length is not None or args.cell:
      raise ValueError(
        f'{args.density} holds its own lengths; leave --length and --cell out.'
      )
    return cube.read_cube(args.density)
  if args.density.suffix != '.npy':
    raise ValueError(f'{args.density} is neither a .cube nor a .npy file.')
  density = np.load(args.density, allow_pickle=False)
  if density.ndim != 3:
    raise ValueError(f'{args.density} holds {density.shape}, not [X, Y, Z].')
  if args.cell and args.length is not None:
    raise ValueError('Give --length of a cubic box or --cell, not both.')
  if args.cell:
    cell = np.reshape(args.cell, (3, 3))
    return density, grids.CellGrid(density.shape), cell
  if args.length is None:
    raise ValueError(
      f'{args.density} of shape {density.shape} has no lengths: give --length '
      'of a cubic box, or --cell.'
    )
  if len(set(density.shape)) > 1:
    raise ValueError(
      f'{args.density} of shape {density.shape} has unequal sides, those of a '
      'box with --length are equal: give --cell.'
    )
  return density, grids.BoxGrid(args.length, density.shape[0]), None


def _write_crystal(args, atoms: DecodedAtoms, density, cell) -> None:
  """Finds the lattice unless the cell is known, and writes the crystal."""
  lattice = cell
  if cell is None:
    lattice = lattice_search.find_lattice(
      atoms, density=density, sigma=args.sigma
    )
    outcome = 'lattice found' if lattice.found else 'no lattice found'
    print(f'{outcome} (score {lattice.score:.2f})')
  crystal = lattice_search.assemble(atoms, lattice, symprec=args.symmetrize)
  # Other formats than CIF hold no space group.
  symprec = args.symmetrize if '.cif' in args.out.suffixes else None
  write(args.out, crystal, symprec=symprec)
  print(f'wrote {args.out}: {crystal.to_ase().get_chemical_formula()}')


def _draw(path, atoms: DecodedAtoms, density, grid, cell) -> None:
  """Draws the density and the decoded atoms to a file."""
  from crystal_jax import plots

  points = np.asarray(atoms.positions)[atoms.mask]
  numbers = np.asarray(atoms.numbers)[atoms.mask]
  if isinstance(grid, grids.BoxGrid):
    extents, unit = [(-grid.length / 2, grid.length / 2)] * 3, 'Å'
  else:
    points = points @ np.linalg.inv(cell)
    # Voxel i of a cell lies at i / size, in the middle of its pixel.
    extents = [(-0.5 / size, 1 - 0.5 / size) for size in grid.shape]
    unit = 'fraction of the cell'
  figure = plots.decoded_atoms(
    density, points, numbers, extents=extents, unit=unit
  )
  with atomic.replacing(path) as partial:
    figure.savefig(partial, dpi=120)


def non_gaussian_signs(
  density: Float[ArrayLike, 'X Y Z'], residual: float
) -> list[str]:
  """Signs that a density is not one of Gaussian atoms, in words.

  Args:
    density: The density.
    residual: RMS of the residual density over that of the density.
  """
  density = jnp.asarray(density)
  minimum = float(jnp.min(density) / jnp.maximum(jnp.max(density), 1e-12))
  signs = []
  if minimum < -_MAX_NEGATIVE:
    signs.append(f'its minimum is {minimum:.2f} of its maximum')
  if residual > _MAX_RESIDUAL:
    signs.append(f'{residual:.0%} of it are not Gaussian atoms')
  return signs
