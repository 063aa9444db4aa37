"""Writing of crystal files: CIF, POSCAR, extxyz and other formats of ASE."""

from __future__ import annotations

import os
import pathlib

import ase.io
import ase.io.formats

from crystal_jax.io import atomic, symmetric_cif
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

Path = str | os.PathLike[str]


def write(
  path: Path, crystal: Crystal, *, symprec: float | None = None
) -> None:
  """Writes one crystal; the name gives the format: x.cif, POSCAR, x.extxyz.

  The file appears complete or not at all. Left-handed lattice vectors are
  negated, which moves no atom. A CIF keeps lengths and angles, but not the
  orientation of the cell, and wraps atoms into it.

  Args:
    path: File to write.
    crystal: One crystal.
    symprec: Tolerance of the space group, Å; 0.01 is typical. If given, a CIF
      is written in the standard setting of the space group, exactly symmetric.
      None: in P1, as it is.

  Raises:
    ValueError: If the crystal is a batch or has no atoms, the name gives no
      format, or `symprec` is given for another format than CIF.
  """
  path = pathlib.Path(path)
  atoms = lattice.right_handed(crystal).to_ase()
  if not len(atoms):
    raise ValueError(f'{path}: a crystal without atoms is not written.')
  file_format = ase.io.formats.filetype(str(path), read=False)
  known = ase.io.formats.ioformats.get(file_format)
  if known is None or not known.can_write:
    raise ValueError(
      f'{path}: no writable format has this name; try .cif, .vasp or .extxyz.'
    )
  if symprec is not None and file_format != 'cif':
    raise ValueError(
      f'{path}: only a CIF holds a space group; name it .cif or leave symprec.'
    )
  text = None
  if symprec is not None:
    try:
      text = symmetric_cif.text(crystal, symprec)
    except ValueError as error:
      raise ValueError(f'{path}: {error}') from error
  with atomic.replacing(path) as partial:
    if text is None:
      ase.io.write(partial, atoms, format=file_format)
    else:
      with ase.io.formats.open_with_compression(str(partial), 'wt') as file:
        file.write(text)
