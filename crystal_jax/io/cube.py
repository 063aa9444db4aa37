"""Gaussian cube files of densities.

A cube file holds the geometry in Bohr, which ASE converts, and the values as
they are: weight per Å³ of Z-weighted Gaussians, not an electron density. The
origin of a cube is its first voxel: half a voxel inside the walls of a
`BoxGrid`, which is centred on the origin, or the corner of the cell on a
`CellGrid`.
"""

import pathlib

import ase
import ase.io.cube
import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.density import grids
from crystal_jax.io import atomic


def write_cube(
  path: str | pathlib.Path,
  density: Float[ArrayLike, 'X Y Z'],
  *,
  grid: grids.Grid,
  cell: Float[ArrayLike, '3 3'] | None = None,
  crystal=None,
) -> None:
  """Writes a density as a Gaussian cube file, complete or not at all.

  Args:
    path: File to write.
    density: Density, weight per Å³.
    grid: Grid of the density.
    cell: Lattice vectors as rows, Å; needed by a CellGrid.
    crystal: Crystal whose atoms are written beside the density, in its frame;
      None: no atoms.

  Raises:
    ValueError: If the density does not fit the grid, or a cell is missing.
  """
  density = np.asarray(density, np.float64)
  if density.shape != grid.shape:
    raise ValueError(
      f'{path}: need a density {grid.shape} for {grid}, not {density.shape}.'
    )
  if isinstance(grid, grids.BoxGrid):
    vectors = np.eye(3) * grid.length
    origin = np.full(3, -grid.length / 2 + grid.spacing / 2)
  elif cell is None:
    raise ValueError('A density on a CellGrid needs its cell: pass cell=.')
  else:
    vectors, origin = np.asarray(cell, np.float64), np.zeros(3)
  atoms = ase.Atoms() if crystal is None else crystal.to_ase()
  atoms = ase.Atoms(atoms.numbers, atoms.positions, cell=vectors, pbc=True)
  with atomic.replacing(path) as partial, partial.open('w') as file:
    ase.io.cube.write_cube(file, atoms, data=density, origin=origin)


def read_cube(
  path: str | pathlib.Path,
) -> tuple[np.ndarray, grids.Grid, np.ndarray | None]:
  """The density of a cube file, its grid, and its cell for a CellGrid.

  The grid is a box if the axes are equal and orthogonal and the first voxel
  lies half a voxel inside a cube centred on the origin; otherwise a cell.

  Raises:
    ValueError: If the file is malformed, or it is a cell whose first voxel is
      not at its corner.
  """
  try:
    with open(path, errors='replace') as file:
      data = ase.io.cube.read_cube(file, read_data=True)
  except OSError:
    raise
  except Exception as error:  # The parser fails in many ways.
    raise ValueError(
      f'{path}: malformed or cut off, not a Gaussian cube file; write it again'
    ) from error
  density = np.asarray(data['data'], np.float32)
  vectors = np.asarray(data['atoms'].cell[:], np.float64)
  origin = np.real(np.asarray(data['origin'], np.float64))
  length, size = vectors[0, 0], density.shape[0]
  start = -length / 2 + length / size / 2
  is_cubic = np.allclose(vectors, np.eye(3) * length, atol=1e-3)
  if is_cubic and len(set(density.shape)) == 1:
    if np.allclose(origin, start, atol=1e-3):
      return density, grids.BoxGrid(round(length, 4), size), None
  if not np.allclose(origin, 0, atol=1e-3):
    raise ValueError(
      f'{path}: the first voxel lies at {origin.round(4).tolist()} Å. A cell '
      'starts at 0 0 0, and a cubic box half a voxel inside its wall, at '
      f'{start:.4f} along each axis.'
    )
  return density, grids.CellGrid(density.shape), vectors
