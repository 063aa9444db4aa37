"""Checks of the arguments of `decode_density` and `decode_batch`."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from crystal_jax.density import grids, inputs


def check_field(
  field: ArrayLike, grid: grids.Grid, name: str, channel_axes: int
) -> Float[Array, '...']:
  """A field on a grid, as floats.

  Args:
    field: The field.
    grid: The grid.
    name: Name of the argument, for the error.
    channel_axes: Number of axes after the three of the grid.

  Raises:
    ValueError: If the shape of the field does not fit the grid.
  """
  field = floating(name, field)
  if field.ndim != 3 + channel_axes or field.shape[:3] != grid.shape:
    raise ValueError(f'{name} of shape {field.shape} does not fit {grid}.')
  return field


def check_cell(
  cell: ArrayLike | None, grid: grids.Grid, batch: tuple[int, ...]
) -> Float[Array, '*B 3 3'] | None:
  """The cell of a `CellGrid`, as floats; None for a `BoxGrid`.

  Args:
    cell: Lattice vectors as rows, Å. A `BoxGrid` ignores them.
    grid: The grid.
    batch: Shape of the batch; () for one density.

  Raises:
    ValueError: If a `CellGrid` has no cell, or the cell has another shape.
  """
  if isinstance(grid, grids.BoxGrid):
    return None
  if cell is None:
    raise ValueError('A density on a CellGrid needs its cell.')
  cell = floating('cell', cell)
  if cell.shape != batch + (3, 3):
    raise ValueError(f'Need a cell {batch + (3, 3)}, not {cell.shape}.')
  return cell


def floating(name: str, x: ArrayLike) -> Float[Array, '...']:
  """An argument as float64 if it has this type, else as float32."""
  x = jnp.asarray(inputs.as_numbers(name, x))
  return x if x.dtype == jnp.float64 else x.astype(jnp.float32)
