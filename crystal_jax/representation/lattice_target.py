"""The target of `LatticeHead`: six numbers of a lattice, and back to a cell.

The six are the lengths of the Niggli cell over N^(1/3), Å, with N its number of
atoms, and the cosines of its angles. They are independent of the orientation.
"""

import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.structure import lattice


def lattice_target(
  cell: Float[ArrayLike, '3 3'], num_atoms: int
) -> Float[np.ndarray, '6']:
  """Three lengths over N^(1/3) (Å) and three cosines of the Niggli cell."""
  lengths, angles = lattice.lengths_and_angles(lattice.niggli_reduce(cell))
  return np.concatenate(
    [np.asarray(lengths) / num_atoms ** (1 / 3), np.cos(np.radians(angles))]
  ).astype(np.float32)


def target_cell(
  target: Float[ArrayLike, '6'], num_atoms: int
) -> Float[np.ndarray, '3 3']:
  """The cell of a target, a along x and b in the xy plane, Å.

  NaN if no cell has these angles.
  """
  target = np.asarray(target, np.float64)
  angles = np.degrees(np.arccos(np.clip(target[3:], -1.0, 1.0)))
  lengths = target[:3] * num_atoms ** (1 / 3)
  return np.asarray(lattice.from_lengths_and_angles(lengths, angles))
