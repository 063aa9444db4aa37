"""Crystal systems of the space groups."""

from __future__ import annotations

import numpy as np

# Highest space group of each crystal system.
_LAST_SPACE_GROUP = {
  'triclinic': 2,
  'monoclinic': 15,
  'orthorhombic': 74,
  'tetragonal': 142,
  'trigonal': 167,
  'hexagonal': 194,
  'cubic': 230,
}
# In the order of their space groups.
CRYSTAL_SYSTEMS = tuple(_LAST_SPACE_GROUP)
# System i of `CRYSTAL_SYSTEMS` has the space groups above bound i, up to bound
# i + 1.
SYSTEM_BOUNDS = (0, *_LAST_SPACE_GROUP.values())
NUM_SPACE_GROUPS = SYSTEM_BOUNDS[-1]


def crystal_system(space_group: int) -> str:
  """The crystal system of a space group.

  Raises:
    ValueError: If the space group is not 1 to 230.
  """
  if not 1 <= space_group <= NUM_SPACE_GROUPS:
    raise ValueError(f'Need {space_group=} to be 1 to {NUM_SPACE_GROUPS}.')
  return CRYSTAL_SYSTEMS[int(np.searchsorted(SYSTEM_BOUNDS, space_group)) - 1]


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
