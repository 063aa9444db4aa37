"""Grids of voxels: a cube of space, or the unit cell itself.

A `BoxGrid` is a cube centred on the origin with open walls; its voxels sit at
`(i + 1/2) * length / size - length / 2` along each axis, so none lies on a
wall. A `CellGrid` divides the unit cell; voxel i sits at the fractional
coordinate `i / size`, so the grid repeats with the crystal.

Grids are small, frozen and hashable: they are static arguments of jit.
"""

import dataclasses
import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float


@dataclasses.dataclass(frozen=True)
class BoxGrid:
  """A cube of `size`³ voxels and `length` Å a side, centred on the origin.

  Raises:
    ValueError: If length or size is not positive.
  """

  length: float = 10.0
  size: int = 60

  def __post_init__(self):
    object.__setattr__(self, 'length', float(self.length))
    object.__setattr__(self, 'size', _voxels(self.size))
    if not 0 < self.length < float('inf'):
      raise ValueError(f'Need a positive, finite {self.length=} in Å.')

  @property
  def shape(self) -> tuple[int, int, int]:
    """Voxels along each axis."""
    return (self.size,) * 3

  @property
  def spacing(self) -> float:
    """Distance between neighbouring voxels, Å."""
    return self.length / self.size

  def axis(self) -> Float[np.ndarray, 'G']:
    """Coordinates of the voxel centres along any axis, Å, float64."""
    return (np.arange(self.size) + 0.5) * self.spacing - self.length / 2


@dataclasses.dataclass(frozen=True)
class CellGrid:
  """The unit cell in `size` voxels an axis (an int, or three), periodic.

  Raises:
    ValueError: If a size is not positive or there are not one or three.
  """

  size: int | tuple[int, int, int] = 32

  def __post_init__(self):
    size = self.size
    if isinstance(size, (tuple, list)):
      if len(size) != 3:
        raise ValueError(f'Need one or three voxel counts, not {size=}.')
      size = tuple(_voxels(s) for s in size)
      size = size[0] if len(set(size)) == 1 else size
    else:
      size = _voxels(size)
    object.__setattr__(self, 'size', size)

  @property
  def shape(self) -> tuple[int, int, int]:
    """Voxels along each axis."""
    return self.size if isinstance(self.size, tuple) else (self.size,) * 3


Grid = BoxGrid | CellGrid


def points(
  grid: Grid, cell: Float[ArrayLike, '3 3'] | None = None
) -> Float[Array, 'G G G 3']:
  """Cartesian coordinates of every voxel, Å.

  Args:
    grid: The grid.
    cell: Lattice vectors as rows, Å. Needed by a CellGrid, unused by a BoxGrid.

  Raises:
    ValueError: If a CellGrid comes without a cell.
  """
  if isinstance(grid, BoxGrid):
    axes = [jnp.asarray(grid.axis(), float)] * 3
    return jnp.stack(jnp.meshgrid(*axes, indexing='ij'), axis=-1)
  if cell is None:
    raise ValueError('A CellGrid has no points without a cell.')
  axes = [jnp.arange(n) / n for n in grid.shape]
  fractional = jnp.stack(jnp.meshgrid(*axes, indexing='ij'), axis=-1)
  return fractional @ jnp.asarray(cell)


def resolves(
  grid: CellGrid,
  cell: Float[Array | np.ndarray, '3 3'],
  sigma: Float[ArrayLike, ''],
) -> Bool[Array, '']:
  """Whether a Gaussian vanishes beyond the grid's Nyquist frequency.

  The Nyquist planes of a lattice vector of length a on n voxels are π n / a
  away from zero frequency, whatever the angles; exp(-(π/0.6)²/2) is 1e-6.
  """
  xp = jnp if isinstance(cell, jax.Array) else np
  spacing = xp.linalg.norm(cell, axis=-1) / np.array(grid.shape, cell.dtype)
  return xp.all(spacing <= 0.6 * sigma)


def outer_sum(
  x: Float[Array, 'X'], y: Float[Array, 'Y'], z: Float[Array, 'Z']
) -> Float[Array, 'X Y Z']:
  """At every voxel, the sum of one number from each axis."""
  return x[:, None, None] + y[None, :, None] + z[None, None]


def _voxels(size) -> int:
  number = isinstance(size, numbers.Real) and not isinstance(size, bool)
  if not (number and size >= 1 and size % 1 == 0):
    raise ValueError(f'Need a positive whole number of voxels, not {size=}.')
  return int(size)
