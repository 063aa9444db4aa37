"""A folder of crystal files, whose names come from ids that anyone wrote."""

from __future__ import annotations

import pathlib
import re

from crystal_jax.io import write
from crystal_jax.structure.crystal import Crystal

# Bytes of a name, so that a suffix still fits where 255 are the limit.
_LONGEST = 120


class Folder:
  """Writes crystals as CIF into a folder, each under a name of its own."""

  def __init__(self, path: pathlib.Path):
    """Makes the folder if it is not there.

    Raises:
      OSError: If it cannot be made.
    """
    path.mkdir(parents=True, exist_ok=True)
    self._path, self._taken = path, set()

  def write(self, id_: str, crystal: Crystal) -> pathlib.Path:
    """Writes one; returns the file.

    What is no plain letter, digit or one of `._+#-` becomes `_`, so that no id
    leads out of the folder; a name that is taken gets a number. Files of an
    earlier run are replaced.
    """
    stem = safe_name(id_)
    name, number = stem, 1
    while name.lower() in self._taken:  # Some file systems know no case.
      number += 1
      name = f'{stem}-{number}'
    self._taken.add(name.lower())
    path = self._path / f'{name}.cif'
    write(path, crystal)
    return path


def safe_name(id_: str) -> str:
  """An id as the name of a file in its folder."""
  name = re.sub(r'[^A-Za-z0-9._+#-]', '_', id_)[:_LONGEST].lstrip('.-')
  return name or 'crystal'
