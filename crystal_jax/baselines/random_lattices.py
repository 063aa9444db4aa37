"""Random cells with the lattice of a crystal system."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from crystal_jax.structure import lattice
from crystal_jax.structure.crystal_systems import crystal_system

# Logarithm of the largest ratio of two random lengths.
_LOG_RATIO = np.log(2.5)
# Ranges of random angles of monoclinic and triclinic cells, degrees.
_MONOCLINIC = 90.0, 120.0
_TRICLINIC = 60.0, 120.0
# Smallest volume of a triclinic cell, over that of a box of the same lengths.
_MIN_VOLUME_RATIO = 0.4


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
  system = crystal_system(space_group)
  if system == 'triclinic':
    while True:
      angles = generator.uniform(*_TRICLINIC, 3)
      cosines = np.cos(np.radians(angles))
      squared_ratio = 1 - (cosines**2).sum() + 2 * cosines.prod()
      if squared_ratio > _MIN_VOLUME_RATIO**2:
        break
  elif system == 'monoclinic':
    angles[1] = generator.uniform(*_MONOCLINIC)
  elif system == 'cubic':
    lengths[:] = lengths[0]
  elif system != 'orthorhombic':
    lengths[1] = lengths[0]
    if system != 'tetragonal':
      angles[2] = 120.0
  return lattice.from_cell_parameters(lengths, angles)
