"""Random cells with the lattice of a crystal system."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from crystal_jax.structure import lattice

# Logarithm of the largest ratio of a random length to another one.
_LOG_RATIO = np.log(2.5)
# Random angles, degrees: of monoclinic cells, and the range of triclinic ones.
_MONOCLINIC = 90.0, 120.0
_TRICLINIC = 60.0, 120.0
# Smallest volume of a triclinic cell over that of a box of the same lengths.
_FLATTEST = 0.4


def random_cell(
  generator: np.random.Generator, space_group: int
) -> Float[np.ndarray, '3 3']:
  """A random conventional cell, of any size.

  Args:
    generator: Generator of random numbers.
    space_group: 1 to 230, in gemmi's reference setting: unique axis b, and
      hexagonal axes for rhombohedral groups.
  """
  lengths = np.exp(generator.uniform(0, _LOG_RATIO, 3))
  angles = np.full(3, 90.0)
  if space_group <= 2:
    while True:
      angles = generator.uniform(*_TRICLINIC, 3)
      cosines = np.cos(np.radians(angles))
      square = 1 - (cosines**2).sum() + 2 * cosines.prod()
      if square > _FLATTEST**2:
        break
  elif space_group <= 15:
    angles[1] = generator.uniform(*_MONOCLINIC)
  elif space_group >= 195:
    lengths[:] = lengths[0]
  elif space_group >= 75:
    lengths[1] = lengths[0]
    if space_group >= 143:
      angles[2] = 120.0
  return lattice.from_cell_parameters(lengths, angles)
