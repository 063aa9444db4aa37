"""A folder of CIF files named by crystal ids, whatever the ids hold."""

from __future__ import annotations

import os
import pathlib
import re

from crystal_jax.io.write import write
from crystal_jax.structure.crystal import Crystal

# Characters of a file name before its suffix; most file systems allow 255.
_MAX_NAME = 120


class Folder:
  """Writes crystals as CIF files, each under a name of its own."""

  def __init__(self, path: str | os.PathLike[str]):
    """Makes the folder if it does not exist.

    Raises:
      OSError: If the folder cannot be made.
    """
    self._path = pathlib.Path(path)
    self._path.mkdir(parents=True, exist_ok=True)
    self._taken: set[str] = set()

  def write(
    self, id_: str, crystal: Crystal, *, symprec: float | None = None
  ) -> pathlib.Path:
    """Writes one crystal and returns its file.

    Characters other than ASCII letters, digits and `._+#-` become `_`, so that
    no id leads out of the folder. A name that this object has already written
    gets a number; files of an earlier run are replaced.

    Args:
      id_: The crystal's id.
      crystal: One crystal.
      symprec: Å. If given, the file holds the space group that the crystal has
        within this tolerance; where spglib finds none, the crystal as it is.
    """
    stem = safe_name(id_)
    name, number = stem, 1
    while name.lower() in self._taken:  # Some file systems ignore case.
      number += 1
      name = f'{stem}-{number}'
    self._taken.add(name.lower())
    path = self._path / f'{name}.cif'
    try:
      write(path, crystal, symprec=symprec)
    except ValueError:
      if symprec is None:
        raise
      write(path, crystal)
    return path


def safe_name(id_: str) -> str:
  """The file name of an id, without its suffix."""
  name = re.sub(r'[^A-Za-z0-9._+#-]', '_', id_)[:_MAX_NAME].lstrip('.-')
  return name or 'crystal'
