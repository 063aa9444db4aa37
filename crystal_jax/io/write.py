"""Write crystal files: CIF, POSCAR, extxyz, whatever ASE knows."""

from __future__ import annotations

import os
import pathlib
import tempfile

import ase.io
import ase.io.formats

from crystal_jax.structure.crystal import Crystal

Path = str | os.PathLike[str]


def write(path: Path, crystal: Crystal) -> None:
  """Writes one crystal; the name says the format: x.cif, POSCAR, x.extxyz.

  The file appears whole or not at all. A CIF keeps lengths and angles, but not
  how the cell lies in space, and wraps atoms into the cell.

  Raises:
    ValueError: If the crystal is a batch or has no atoms, or the name tells no
      format.
  """
  path = pathlib.Path(path)
  atoms = crystal.to_ase()
  if not len(atoms):
    raise ValueError(f'{path}: a crystal without atoms is not written.')
  file_format = ase.io.formats.filetype(str(path), read=False)
  known = ase.io.formats.ioformats.get(file_format)
  if known is None or not known.can_write:
    raise ValueError(
      f'{path}: no format to write has this name; try .cif, .vasp or .extxyz.'
    )
  # In a folder beside it, under the same name: the suffix also says whether to
  # compress, and a rename within one file system is atomic.
  with tempfile.TemporaryDirectory(prefix='.', dir=path.parent) as folder:
    partial = pathlib.Path(folder) / path.name
    ase.io.write(partial, atoms, format=file_format)
    os.replace(partial, path)
