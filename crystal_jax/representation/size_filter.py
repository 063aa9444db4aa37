"""Which crystals fit a box as a single cell, turned at will or as they lie."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Int

from crystal_jax.representation import augment


def fits_box(
  numbers: Int[ArrayLike, '*M N'],
  positions: Float[ArrayLike, '*M N 3'],
  cell: Float[ArrayLike, '*M 3 3'],
  length: float,
  sigma: float,
) -> Bool[np.ndarray, '*M']:
  """Whether one unit cell fits a cubic box at any rotation.

  It does if every atom, wrapped into the cell and centred on their mean, lies
  within length/2 - 2σ of the centre.

  Args:
    numbers: Atomic numbers, 0 in empty slots.
    positions: Cartesian positions, Å.
    cell: Lattice vectors as rows, Å.
    length: Side of the box, Å.
    sigma: Standard deviation of an atom, Å.

  Returns:
    One answer a crystal.
  """
  return _radii(numbers, positions, cell) <= length / 2 - 2 * sigma


def keep_fitting(
  arrays: Mapping[str, np.ndarray],
  *,
  length: float,
  sigma: float,
  turned: bool = True,
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
  """Drops the crystals that do not fit the box.

  Args:
    arrays: What `in_memory` returns.
    length: Side of the box, Å.
    sigma: Standard deviation of an atom, Å.
    turned: Whether they have to fit at every rotation, or as they lie.

  Returns:
    The arrays of those that fit, and (id, reason) of those that do not.
  """
  names = 'numbers', 'positions', 'cell'
  radii = _radii(*(arrays[name] for name in names), turned)
  reach = length / 2 - 2 * sigma
  fits = radii <= reach
  dropped = [
    (
      str(arrays['id'][i]) if 'id' in arrays else str(i),
      f'an atom lies {radii[i]:.2f} Å from the centre, beyond {reach:.2f} Å',
    )
    for i in np.flatnonzero(~fits)
  ]
  return {name: column[fits] for name, column in arrays.items()}, dropped


def _radii(numbers, positions, cell, turned=True) -> Float[np.ndarray, '*M']:
  """Distance of the outermost atom from the mean of the wrapped atoms, Å.

  Of atoms that are not turned the largest along any axis.
  """

  def radius(numbers, positions, cell):
    centred = augment.centre(positions, numbers, cell)
    if not turned:
      return jax.numpy.abs(centred).max()
    return jax.numpy.linalg.norm(centred, axis=-1).max()

  numbers, positions, cell = map(np.asarray, (numbers, positions, cell))
  for _ in range(numbers.ndim - 1):
    radius = jax.vmap(radius)
  return np.asarray(jax.jit(radius)(numbers, positions, cell))
