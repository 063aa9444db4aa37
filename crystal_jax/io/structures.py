"""Structures of one file or text, in any format, before they are checked.

CIF, POSCAR, extxyz, SHELX, PDB and JSON are parsed here; ASE reads other
formats. A structure is ASE's Atoms or has a method `to_ase`; `check` makes a
crystal of it. Errors are in this package's words: what is wrong, what to do.
"""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import ase
import ase.io.formats

from crystal_jax.io import (
  ase_formats,
  cif,
  extxyz,
  json_files,
  limits,
  pdb,
  poscar,
  shelx,
)
from crystal_jax.structure import validation
from crystal_jax.structure.crystal import Crystal

# Formats by suffix; ASE recognises others by name or content.
_SUFFIXES = {
  '.cif': 'cif',
  '.mcif': 'cif',
  '.vasp': 'vasp',
  '.poscar': 'vasp',
  '.xyz': 'extxyz',
  '.extxyz': 'extxyz',
  '.res': 'shelx',
  '.ins': 'shelx',
  '.pdb': 'pdb',
  '.ent': 'pdb',
  '.json': 'json',
}
_VASP = 'POSCAR', 'CONTCAR'  # Anywhere in a name, as ASE has it.
_OF_ASE = {'res': 'shelx', 'proteindatabank': 'pdb', 'xyz': 'extxyz'}
_PARSED_HERE = frozenset({*_SUFFIXES.values()})
_COMPRESSED = '.gz', '.bz2', '.xz'


@runtime_checkable
class Convertible(Protocol):
  """A structure that is not yet converted."""

  def to_ase(self) -> ase.Atoms:
    """Its atoms; a ValueError if it is not a crystal of whole atoms."""


Structure = ase.Atoms | Convertible


def load(
  path: str | os.PathLike[str], file_format: str | None = None
) -> list[Structure]:
  """The structures of a file, at least one.

  Args:
    path: A file; may be compressed.
    file_format: Name of its format; None: by its name and content.

  Raises:
    FileNotFoundError: If the file does not exist.
    ValueError: If it is empty, cannot be parsed, or holds no structure.
  """
  path = pathlib.Path(path)
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such file.')
  if path.is_dir():
    raise ValueError(f'{path}: is a folder, not a file.')
  if not path.stat().st_size:
    raise ValueError(f'{path}: the file is empty.')
  try:
    file_format = file_format or _format(path)
    found = list(_parse(path, _OF_ASE.get(file_format, file_format)))
  except Exception as error:  # Parsers fail in many ways.
    if isinstance(error, OSError) and error.errno:
      raise  # Not the parser but the system: no permission, for instance.
    reason = describe(error, file_format or '')
    raise ValueError(f'{path}: cannot be read: {reason}') from error
  if not found:
    raise ValueError(f'{path}: holds no structure with atoms.')
  return found


def parse_text(text: str, file_format: str) -> list[Structure]:
  """The structures of a text: 'cif', 'vasp' or 'extxyz'.

  Raises:
    ValueError: If it cannot be parsed.
  """
  try:
    return list(_parse_text(text, file_format, None))
  except Exception as error:
    reason = describe(error, file_format)
    raise ValueError(f'cannot be read: {reason}') from error


def check(structure: Structure) -> Crystal:
  """The crystal of a structure.

  Raises:
    ValueError: If there are no atoms, no cell or one of zero volume, partial
      occupancy, an unknown species, or atoms closer than 0.4 Å.
  """
  try:
    if not isinstance(structure, ase.Atoms):
      structure = structure.to_ase()
    return validation.check_atoms(structure)
  except Exception as error:
    raise ValueError(describe(error, 'structure')) from error


def describe(error: Exception, file_format: str) -> str:
  """Why parsing failed; the words of other libraries are left out."""
  if type(error) is ValueError and str(error):
    return ' '.join(str(error).split())
  if isinstance(error, OSError) and error.strerror:
    return f'cannot be opened: {error.strerror}'
  if isinstance(error, MemoryError):
    return 'needs too much memory'
  if isinstance(error, RecursionError):
    return 'nested too deeply'
  kind = f'{file_format} ' if file_format else ''
  return (
    f'malformed {kind}({type(error).__name__}); compare it with a file that is '
    'read, or convert it to CIF'
  )


def _format(path: pathlib.Path) -> str:
  """The format of a file, by its name or content."""
  named = _format_by_name(path)
  if named is not None:
    return named
  try:
    found = str(ase.io.formats.filetype(str(path)))
  except ase.io.formats.UnknownFileTypeError:
    found = ''
  if found not in ase.io.formats.ioformats:
    raise ValueError(
      'no known format by its name or content; name it .cif, .vasp or .extxyz'
    )
  return found


def _format_by_name(path: pathlib.Path) -> str | None:
  """The format that is parsed here and that a file's name gives."""
  name = path.name
  for suffix in _COMPRESSED:
    name = name.removesuffix(suffix)
  suffix = os.path.splitext(name)[1].lower()
  if suffix in _SUFFIXES:
    return _SUFFIXES[suffix]
  return 'vasp' if any(word in name for word in _VASP) else None


def _parse(path: pathlib.Path, file_format: str) -> Iterable[Structure]:
  if file_format == 'cif':
    return list(cif.blocks(io.BytesIO(_read_text(path))))
  if file_format in _PARSED_HERE:
    text = _read_text(path).decode('utf-8-sig', 'replace')
    return _parse_text(text, file_format, path.parent)
  return ase_formats.read(path, file_format)


def _read_text(path: pathlib.Path) -> bytes:
  """Content of a text file in UTF-8, or in an encoding that is alike."""
  data = limits.read_bytes(path)
  if b'\0' in data:
    raise ValueError('not plain text (UTF-16, or binary); save it as UTF-8')
  return data


def _parse_text(
  text: str, file_format: str, folder: pathlib.Path | None
) -> Iterable[Structure]:
  if file_format == 'cif':
    return cif.blocks(io.StringIO(text))
  if file_format == 'vasp':
    return [poscar.parse(text, folder)]
  if file_format == 'extxyz':
    return extxyz.parse(text)
  if file_format == 'shelx':
    return shelx.parse(text)
  if file_format == 'pdb':
    return pdb.parse(text)
  if file_format == 'json':
    return [row.structure for row in json_files.parse(text)]
  raise ValueError(f'no known format {file_format!r}')
