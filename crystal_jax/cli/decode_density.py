"""A density file to a crystal file and a picture.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax voxelize NaCl.cif --out=NaCl.cube
  python -m crystal_jax decode-density NaCl.cube --out=again.cif

A .npy file holds [G, G, G] and needs --length (a repeating box, Å) or --cell
(nine numbers, Å); a cube file holds either. The density must be Z-weighted
Gaussians of width --sigma, as `voxelize` makes them; an electron density from
DFT is something else and gets a warning.
"""

import argparse
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax import decoding, lattice_search
from crystal_jax.cli import outputs
from crystal_jax.density import grids
from crystal_jax.io import atomic, cube, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this verb."""
  parser.add_argument('density', type=pathlib.Path, help='.cube or .npy file')
  parser.add_argument('-o', '--out', type=pathlib.Path, default='decoded.cif')
  parser.add_argument('--sigma', type=float, default=0.5, help='Å')
  parser.add_argument('--length', type=float, help='side of the box, Å')
  parser.add_argument('--cell', type=float, nargs=9, help='rows, Å')
  parser.add_argument('--max-atoms', type=int, default=512)
  outputs.add_symmetrize(parser, '--symprec')
  parser.add_argument('--picture', type=pathlib.Path, help='default: OUT.png')


def run(args: argparse.Namespace) -> int:
  """Decodes one density; returns the exit status."""
  density, grid, cell = _read(args)
  atoms = decoding.decode_density(
    density, grid=grid, sigma=args.sigma, cell=cell, max_atoms=args.max_atoms
  )
  atoms = jax.tree.map(np.asarray, atoms)
  print(
    f'{atoms.mask.sum()} atoms, {atoms.inside.sum()} of them inside; '
    f'unexplained: {atoms.residual:.2e} of the density'
  )
  for reason in reasons_for_doubt(density, float(atoms.residual)):
    print(
      f'warning: {reason}. This decoder expects atoms as Gaussians of width '
      f'{args.sigma} Å with the weight Z, not an electron density.',
      file=sys.stderr,
    )
  picture = args.picture or args.out.with_suffix('.png')
  draw(picture, density, atoms, grid, cell)
  print(f'wrote {picture}')
  lattice = cell
  if lattice is None:
    lattice = lattice_search.find_lattice(
      atoms, density=density, sigma=args.sigma
    )
    print(f'lattice: found {lattice.found}, score {lattice.score:.2f}')
  crystal = lattice_search.assemble(atoms, lattice, symprec=args.symmetrize)
  # Other formats than CIF hold no space group.
  symprec = args.symmetrize if '.cif' in args.out.suffixes else None
  write(args.out, crystal, symprec=symprec)
  print(f'wrote {args.out}: {crystal.to_ase().get_chemical_formula()}')
  return 0


def _read(args):
  """The density, its grid and its cell (None in a box)."""
  if args.density.suffix == '.cube':
    return cube.read_cube(args.density)
  if args.density.suffix != '.npy':
    raise ValueError(f'{args.density} is neither a .cube nor a .npy file.')
  density = np.load(args.density, allow_pickle=False)
  if density.ndim != 3:
    raise ValueError(f'{args.density} holds {density.shape}, not [G, G, G].')
  if args.cell:
    cell = np.reshape(args.cell, (3, 3))
    return density, grids.CellGrid(density.shape), cell
  if not args.length or len(set(density.shape)) > 1:
    raise ValueError(
      f'{args.density} of shape {density.shape} has no lengths: give --length '
      'of a cubic box, or --cell.'
    )
  return density, grids.BoxGrid(args.length, density.shape[0]), None


def draw(path, density, atoms, grid, cell) -> None:
  """Draws the density and the decoded atoms from the top and the front."""
  from matplotlib import figure

  found = atoms.positions[atoms.mask]
  numbers = atoms.numbers[atoms.mask]
  if isinstance(grid, grids.BoxGrid):
    points, extent, unit = found, [-grid.length / 2, grid.length / 2] * 2, 'Å'
  else:
    points = found @ np.linalg.inv(cell) if len(found) else found
    extent, unit = [0, 1, 0, 1], 'fraction of the cell'
  canvas = figure.Figure(figsize=(9, 4.2), layout='constrained')
  views = {'from the top': (0, 1, 2), 'from the front': (0, 2, 1)}
  for axes, (title, (x, y, away)) in zip(
    canvas.subplots(1, 2), views.items(), strict=True
  ):
    shade = np.asarray(density).sum(axis=away).T
    axes.imshow(shade, origin='lower', extent=extent, cmap='gray_r')
    if len(points):
      axes.scatter(
        points[:, x],
        points[:, y],
        c=numbers,
        s=12,
        cmap='turbo',
        vmin=1,
        vmax=94,
        edgecolors='white',
        linewidths=0.5,
      )
    axes.set(title=title, xlabel=f'{"xyz"[x]}, {unit}')
    axes.set_ylabel(f'{"xyz"[y]}, {unit}')
  with atomic.replacing(path) as partial:
    canvas.savefig(partial, dpi=120)


def reasons_for_doubt(
  density: Float[ArrayLike, 'X Y Z'],
  residual: float,
) -> list[str]:
  """Why a density may not be one of Gaussian atoms, in words.

  Args:
    density: The density.
    residual: RMS of what the decoder left unexplained, over that of the
      density.
  """
  reasons = []
  density = jnp.asarray(density)
  lowest = float(jnp.min(density) / jnp.maximum(jnp.max(density), 1e-12))
  if lowest < -0.2:
    reasons.append(f'it falls to {lowest:.2f} of its maximum below zero')
  if residual > 0.3:
    reasons.append(f'Gaussian atoms leave {residual:.0%} of it unexplained')
  return reasons
