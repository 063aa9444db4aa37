"""Crystal systems of the space groups."""

from __future__ import annotations

import numpy as np

NUM_SPACE_GROUPS = 230
# Highest space group of each crystal system.
LAST_SPACE_GROUP = {
  'triclinic': 2,
  'monoclinic': 15,
  'orthorhombic': 74,
  'tetragonal': 142,
  'trigonal': 167,
  'hexagonal': 194,
  'cubic': 230,
}
# In the order of their space groups.
CRYSTAL_SYSTEMS = tuple(LAST_SPACE_GROUP)


def crystal_system(space_group: int) -> str:
  """The crystal system of a space group.

  Raises:
    ValueError: If the space group is not 1 to 230.
  """
  if not 1 <= space_group <= NUM_SPACE_GROUPS:
    raise ValueError(f'Need {space_group=} to be 1 to 230.')
  last = list(LAST_SPACE_GROUP.values())
  return CRYSTAL_SYSTEMS[int(np.searchsorted(last, space_group))]


def crystal_system_index(name: str) -> int:
  """The index of a crystal system in `CRYSTAL_SYSTEMS`.

  Raises:
    ValueError: If no crystal system has this name.
  """
  if name not in CRYSTAL_SYSTEMS:
    raise ValueError(
      f'Need crystal_system={name!r} to be one of {", ".join(CRYSTAL_SYSTEMS)}.'
    )
  return CRYSTAL_SYSTEMS.index(name)
