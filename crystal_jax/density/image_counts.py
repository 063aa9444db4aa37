"""Number of image slots that a crystal needs, counted on the host.

Under jit the number of images has to be known beforehand: `max_images`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.density.grids import CellGrid, Grid, resolves
from crystal_jax.density.images import cut_lines, cutoff, frame_lines
from crystal_jax.density.inputs import as_numbers


def count_images(
  positions: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'] | None,
  *,
  grid: Grid,
  sigma: float = 0.5,
) -> int:
  """A `max_images` that is large enough for these atoms; on the host.

  Args:
    positions: Cartesian positions of atoms (no empty slots), Å.
    cell: Lattice vectors as rows, Å, or None.
    grid: The grid to reach.
    sigma: Standard deviation of an atom, Å.

  Returns:
    Images that reach the grid, or a little more. At least 1.
  """
  positions = as_numbers('positions', positions)
  cell = None if cell is None else as_numbers('cell', cell)
  narrow = 0.9999 * sigma  # the device may round
  if isinstance(grid, CellGrid) and resolves(grid, np.asarray(cell), narrow):
    return max(len(positions), 1)  # a sum over waves, each atom once
  reach = cutoff(np.float64(sigma), jnp.result_type(float))
  return count_reaching(positions, cell, grid=grid, reach=reach)


def count_reaching(
  positions: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'] | None,
  reach: float,
  *,
  grid: Grid,
) -> int:
  """Number of slots that `find_images` needs, at least 1; on the host."""
  positions = np.asarray(positions, np.float64).reshape(-1, 3)
  # Positions that are not finite have no images; the density is NaN.
  positions = positions[np.isfinite(positions).all(-1)]
  if cell is None or not np.isfinite(cell).all():
    return max(len(positions), 1)
  cell = np.asarray(cell, np.float64)
  inverse = np.linalg.inv(cell)
  reach = 1.0001 * reach  # the device may round
  order, across, lines = frame_lines(cell, inverse, grid, reach, np)
  each = int(across[1] * across[2])
  atom, rank = np.divmod(np.arange(len(positions) * each), each)
  shifted = (positions @ inverse)[:, order]
  *_, counts = cut_lines(shifted[atom], rank, across, lines, np)
  # The lines have to fit too; nearly always they do.
  spare = len(atom) - 4 * len(positions)
  return max(int(counts.sum()), spare // 2 + 1, 1)


def find_max_images(count, positions, weights, cell, width) -> int:
  """`max_images` for the largest of some crystals, rounded up to the ladder.

  Args:
    count: Images of one crystal, `count(atoms, cell, width)`.
    positions: [*B, N, 3], Å.
    weights: [*B, N, *C]; zero in empty slots.
    cell: [*B, 3, 3], Å, or None.
    width: Standard deviation or radius of an atom, Å.

  Raises:
    ValueError: If positions, cell or width are traced.
  """
  values = known(positions, cell, width)
  if values is None:
    raise ValueError(
      'Pass max_images= inside jit, vmap or scan, where positions, cell and '
      'sigma or radius are traced; count_images finds it outside.'
    )
  positions, cell, width = values
  (weights,) = known(weights) or [np.ones(positions.shape[:-1])]
  filled = weights != 0
  if filled.ndim == positions.ndim:
    filled = filled.any(-1)
  max_images = 1
  for one in np.ndindex(positions.shape[:-2]):
    atoms = positions[one][filled[one]]
    one_count = count(atoms, cell if cell is None else cell[one], width)
    max_images = max(max_images, one_count)
  return ladder(max_images)


def known(*arrays: ArrayLike | None) -> list[np.ndarray | None] | None:
  """The values of arrays, also under grad; None if one is traced by jit."""
  values = [
    jax.lax.stop_gradient(a) if isinstance(a, jax.core.Tracer) else a
    for a in arrays
  ]
  try:
    return [None if a is None else np.asarray(a) for a in values]
  except jax.errors.TracerArrayConversionError:
    return None


def ladder(count: int) -> int:
  """The next of 8, 16, 24, .. 64, 80, .. 128, 160: fewer shapes to compile."""
  step = max(8, 1 << max(0, (count - 1).bit_length() - 3))
  return -(-max(count, 1) // step) * step
