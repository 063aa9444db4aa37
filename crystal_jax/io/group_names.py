"""Number and name of the space group of listed symmetry operations."""

from __future__ import annotations

import numpy as np
import spglib

from crystal_jax.io.operations import Operations
from crystal_jax.structure.primitive import quietly


def space_group_number(group: Operations) -> int | None:
  """The number of a group, in any setting; None if it is not known."""
  setting = _gemmi_setting(group)
  if setting:
    return int(setting.number)
  found = quietly(
    spglib.get_spacegroup_type_from_symmetry,
    np.rint(group.rotations).astype(np.intc),
    group.translations,
  )
  return int(found.number) if found else None


def hermann_mauguin(group: Operations) -> str | None:
  """The Hermann-Mauguin name of a group's setting, with its origin; or None."""
  setting = _gemmi_setting(group)
  return str(setting.xhm()) if setting else None


def _gemmi_setting(group: Operations):
  """The `gemmi.SpaceGroup` of a group; None if gemmi does not know it."""
  import gemmi

  den = gemmi.Op.DEN
  steps = group.translations * den
  if np.abs(steps - np.rint(steps)).max() > 1e-6:
    return None
  ops = []
  for rotation, translation in zip(group.rotations, steps, strict=True):
    op = gemmi.Op()
    op.rot = np.rint(rotation * den).astype(int).tolist()
    op.tran = np.rint(translation).astype(int).tolist()
    ops.append(op.wrap())
  return gemmi.find_spacegroup_by_ops(gemmi.GroupOps(ops))
