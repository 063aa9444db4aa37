"""The atoms a grid shows, with the neighbours just outside of it."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int

from crystal_jax.decoding import DecodedAtoms
from crystal_jax.density.grids import BoxGrid, Grid
from crystal_jax.lattice import plane_spacings


@dataclasses.dataclass(frozen=True)
class Atoms:
  """Positions (Å), species, and which of them lie inside the walls."""

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  inside: Bool[np.ndarray, 'N']


def true_atoms(
  positions: Float[np.ndarray, 'N 3'],
  numbers: Int[np.ndarray, 'N'],
  cell: Float[np.ndarray, '3 3'] | None,
  grid: Grid,
  margin: float,
) -> Atoms:
  """All atoms and images in a grid and up to `margin` Å around it.

  Args:
    positions: Placed in the grid, Å.
    numbers: Species, 0 in empty slots.
    cell: What they repeat by, Å; None: they do not.
    grid: Box or cell.
    margin: Å.
  """
  filled = numbers > 0
  positions, numbers = positions[filled].astype(np.float64), numbers[filled]
  if cell is None:
    inside = np.all(np.abs(positions) <= grid.length / 2, axis=-1)
    return Atoms(positions, numbers, inside)
  fractional = positions @ np.linalg.inv(cell)
  fractional -= np.floor(fractional + 1e-6)
  home = fractional @ cell
  box = isinstance(grid, BoxGrid)
  radius = margin + (grid.length / 2 * 3**0.5 if box else 0.0)
  reach = np.ceil(radius / np.asarray(plane_spacings(cell))).astype(int) + 1
  steps = itertools.product(*[range(-n, n + 1) for n in reach])
  translations = np.array(list(steps))
  moved = home[None] + (translations @ cell)[:, None]
  if box:
    kept = np.all(np.abs(moved) <= grid.length / 2 + margin, axis=-1)
    inside = np.all(np.abs(moved) <= grid.length / 2, axis=-1)
  else:
    centres = translations[:, None] + fractional[None]
    beyond = np.maximum(np.maximum(centres - 1, -centres), 0)
    kept = np.all(beyond * np.asarray(plane_spacings(cell)) <= margin, axis=-1)
    inside = np.broadcast_to(
      np.all(translations == 0, axis=-1)[:, None], kept.shape
    )
  every = np.broadcast_to(numbers[None], kept.shape)
  return Atoms(moved[kept], every[kept], inside[kept])


def decoded_atoms(
  found: DecodedAtoms,
  index: int,
  grid: Grid,
  cell: Float[np.ndarray, '3 3'],
  margin: float = 0.0,
) -> Atoms:
  """One crystal of a decoded batch; in a cell with its images in `margin`."""
  mask = np.asarray(found.mask[index])
  positions = np.asarray(found.positions[index])[mask]
  numbers = np.asarray(found.numbers[index])[mask]
  if isinstance(grid, BoxGrid):
    return Atoms(positions, numbers, np.asarray(found.inside[index])[mask])
  return true_atoms(positions, numbers, cell, grid, margin)
