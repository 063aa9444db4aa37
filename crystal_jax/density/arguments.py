"""Arguments of `voxelize`: defaults by a Crystal, and checks."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from jaxtyping import Array

from crystal_jax.density.grids import BoxGrid, CellGrid, Grid
from crystal_jax.density.inputs import as_numbers
from crystal_jax.structure.crystal import Crystal


class FromCrystal(enum.Enum):
  """The default of an argument that a Crystal has."""

  TOKEN = 0


FROM_CRYSTAL = FromCrystal.TOKEN


class AtomArrays(NamedTuple):
  """Atoms of one crystal or a batch, as arguments of `voxelize`."""

  positions: Array | np.ndarray
  weights: Array | np.ndarray
  cell: Array | np.ndarray | None


class DensityOptions(NamedTuple):
  """Static options of a density."""

  grid: Grid
  max_images: int | None
  band_limit: bool
  separable: bool = False
  double_nyquist: bool = False


def to_atoms(positions, weights, cell) -> AtomArrays:
  """Arrays of real numbers, those of a Crystal where they are not given."""
  if isinstance(positions, Crystal):
    crystal = positions
    positions = crystal.positions
    weights = crystal.numbers if weights is FROM_CRYSTAL else weights
    cell = crystal.cell if cell is FROM_CRYSTAL else cell
  elif weights is FROM_CRYSTAL or cell is FROM_CRYSTAL:
    raise ValueError(
      'Need positions, weights and cell (None for isolated atoms), or a '
      f'Crystal in their place, not {type(positions).__name__} alone.'
    )
  return AtomArrays(
    as_numbers('positions', positions),
    as_numbers('weights', weights),
    None if cell is None else as_numbers('cell', cell),
  )


def check_arguments(
  axes: int, atoms: AtomArrays, sigma, options: DensityOptions
):
  """Refuses arguments that are wrong by their shapes or static values."""
  positions, weights, cell = atoms
  grid, max_images, band_limit, *_ = options
  shape, slots = np.shape(positions), np.shape(weights)
  square = cell is None or np.shape(cell) == (*shape[:-2], 3, 3)
  box = isinstance(grid, BoxGrid)
  number = isinstance(sigma, np.ndarray)
  names = 'N 3' if axes == 2 else 'B N 3'

  def need(holds, what):
    if not holds:
      raise ValueError(f'Need {what}.')

  fits = len(shape) == axes and shape[-1] == 3
  need(fits, f'positions [{names}], not {shape}')
  fits = slots[: axes - 1] == shape[:-1] and len(slots) in (axes - 1, axes)
  need(fits, f'weights [N] or [N, C] for positions {shape}, not {slots}')
  if cell is not None:
    need(square, f'a 3×3 cell for positions {shape}, not {np.shape(cell)}')
  if isinstance(cell, np.ndarray) and np.isfinite(cell).all():
    flat = bool((np.linalg.det(cell) == 0).any())
  else:
    flat = False
  need(not flat, 'a cell with a volume; this one is flat')
  need(box or isinstance(grid, CellGrid), f'a BoxGrid or CellGrid, not {grid}')
  need(box or cell is not None, 'a cell for a CellGrid')
  need(not (box and band_limit), 'a CellGrid for band_limit=True')
  need(max_images is None or max_images >= 1, f'a positive {max_images=}')
  need(np.shape(sigma) == (), f'one sigma for all, not {np.shape(sigma)}')
  need(not number or np.all(sigma > 0), f'a positive sigma in Å, not {sigma}')
