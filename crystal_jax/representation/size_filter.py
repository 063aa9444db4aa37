"""Filter of crystals whose single cell fits into a box."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from crystal_jax.representation import augment


def keep_fitting(
  arrays: Mapping[str, np.ndarray],
  *,
  length: float,
  sigma: float,
  any_rotation: bool = True,
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
  """Drops crystals whose single cell does not fit into a cubic box.

  A cell fits if every atom, wrapped into the cell and centred on their mean,
  lies within length/2 - 2σ of the centre.

  Args:
    arrays: Padded crystals, as for `Representation.prepare`.
    length: Side of the box, Å.
    sigma: Standard deviation of an atom, Å.
    any_rotation: Whether cells must fit at any rotation. False: as they are;
      the distance along each axis counts.

  Returns:
    The arrays of the crystals that fit, and (id, reason) of the rest.
  """
  radii = _radii(
    arrays['numbers'], arrays['positions'], arrays['cell'], any_rotation
  )
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


def _radii(numbers, positions, cell, any_rotation) -> Float[np.ndarray, 'M']:
  """Distance of the outermost atom from the mean of the wrapped atoms, Å.

  Without rotation, the largest component of that distance.
  """

  def radius(numbers, positions, cell):
    centred = augment.centre(positions, numbers, cell)
    if not any_rotation:
      return jnp.abs(centred).max()
    return jnp.linalg.norm(centred, axis=-1).max()

  atoms = map(np.asarray, (numbers, positions, cell))
  return np.asarray(jax.jit(jax.vmap(radius))(*atoms))
