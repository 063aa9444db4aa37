"""Read crystal files: CIF, POSCAR, extxyz, whatever ASE knows.

Reading says no rather than hand out a crystal that is not what the file says:
to partial occupancy, unknown species, atoms on top of each other, a missing
cell. The error names the file and the reason. Cells and positions come as the
file has them, never reduced or standardised.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator

import ase
import ase.io
import ase.io.formats

from crystal_jax.io import cif
from crystal_jax.structure import elements, validation
from crystal_jax.structure.crystal import Crystal

Path = str | os.PathLike[str]
Structure = ase.Atoms | cif.Block


def read(path: Path, index: int | None = None) -> Crystal:
  """Reads one crystal.

  Args:
    path: A file in any format that ASE reads.
    index: Which structure of a file with several; negative from the end.

  Returns:
    The crystal; its symmetry is written out, oxidation states are dropped, and
    deuterium is hydrogen.

  Raises:
    FileNotFoundError: If there is no such file.
    ValueError: If the file is empty or cannot be parsed, holds several
      structures and no index is given, or the crystal has partial occupancy, no
      atoms, no cell or one of zero volume, an unknown species, or atoms closer
      than 0.4 Å, images included.
  """
  found = structures(path)
  if index is None and len(found) > 1:
    raise ValueError(
      f'{path}: holds {len(found)} structures; choose one with index=0 to '
      f'index={len(found) - 1}, or read_all().'
    )
  index = index or 0
  if not -len(found) <= index < len(found):
    raise ValueError(
      f'{path}: there is no structure {index=} among {len(found)}.'
    )
  return _crystal(path, found, index)


def read_all(path: Path) -> list[Crystal]:
  """Reads every crystal of a file.

  Raises:
    FileNotFoundError: If there is no such file.
    ValueError: As `read`; one bad structure is enough, and is named.
  """
  found = structures(path)
  return [_crystal(path, found, i) for i in range(len(found))]


def parse_cif(text: str, name: str = 'CIF') -> Crystal:
  """Reads the one crystal of a CIF that is a string, such as a table's cell.

  Args:
    text: The CIF.
    name: What errors call it.

  Raises:
    ValueError: As `read`.
  """
  try:
    found = parse_text(text, 'cif')
  except ValueError as error:
    raise ValueError(f'{name}: {error}') from error
  if len(found) != 1:
    raise ValueError(f'{name}: holds {len(found)} structures, not one.')
  return _crystal(name, found, 0)


def structures(path: Path, file_format: str | None = None) -> list[Structure]:
  """What a file holds, at least one structure; `check` makes crystals of them.

  Args:
    path: A file.
    file_format: ASE's name of its format; None: by its name and content.

  Raises:
    FileNotFoundError: If there is no such file.
    ValueError: If it is empty, or cannot be parsed.
  """
  if not os.path.exists(path):
    raise FileNotFoundError(f'{path}: no such file.')
  if os.path.isdir(path):
    raise ValueError(f'{path}: is a folder, not a file.')
  if not os.path.getsize(path):
    raise ValueError(f'{path}: the file is empty.')
  try:
    found = list(_parse(path, file_format))
  except Exception as error:  # Every parser has its own ways to fail.
    if isinstance(error, OSError) and error.errno:
      raise  # The system's word, not a parser's.
    raise ValueError(f'{path}: cannot be read: {_reason(error)}') from error
  if not found:
    raise ValueError(f'{path}: holds no structure with atoms.')
  return found


def parse_text(text: str, file_format: str) -> list[Structure]:
  """What a text holds: 'cif', 'vasp' (a POSCAR) or 'extxyz'.

  Raises:
    ValueError: If it cannot be parsed.
  """
  try:
    if file_format == 'cif':
      return list(cif.blocks(io.StringIO(text)))
    text = _plain_species(text, file_format)
    return list(ase.io.iread(io.StringIO(text), ':', format=file_format))
  except Exception as error:
    raise ValueError(f'cannot be read: {_reason(error)}') from error


def check(structure: Structure) -> Crystal:
  """The crystal of a structure; refuses what is none of whole atoms.

  Raises:
    ValueError: If there are no atoms, no cell or one of zero volume, partial
      occupancy, an unknown species, or atoms closer than 0.4 Å.
  """
  try:
    return validation.check_atoms(
      structure if isinstance(structure, ase.Atoms) else structure.to_ase()
    )
  except Exception as error:
    raise ValueError(_reason(error)) from error


def _parse(path: Path, file_format: str | None) -> Iterator[Structure]:
  if file_format is None and str(path).endswith('.cif'):
    file_format = 'cif'  # To look into the file takes longer than to read it.
  file_format = file_format or ase.io.formats.filetype(str(path))
  if file_format == 'cif':
    with ase.io.formats.open_with_compression(str(path), 'rb') as file:
      yield from cif.blocks(file)
  elif file_format in ('vasp', 'extxyz', 'xyz'):
    with ase.io.formats.open_with_compression(str(path), 'rt') as file:
      text = _plain_species(file.read(), file_format)
    yield from ase.io.iread(io.StringIO(text), ':', format=file_format)
  else:
    yield from ase.io.iread(
      str(path), ':', format=file_format, do_not_split_by_at_sign=True
    )


def _plain_species(text: str, file_format: str) -> str:
  """Species without oxidation states, D as H: ASE knows bare symbols only."""

  def plain(match):
    token = match.group(0)
    try:
      return elements.symbol(elements.number(token))
    except ValueError:
      return token

  species = r'(?<!\S)(?:[DT]|[A-Z][a-z]?\d*[+-])(?!\S)'
  if file_format == 'vasp':  # The sixth line lists the species.
    lines = text.splitlines(keepends=True)
    lines[5:6] = [re.sub(species, plain, line) for line in lines[5:6]]
    return ''.join(lines)
  return re.sub(rf'(?m)(?<=^)\s*{species}', plain, text)


def _crystal(path: Path, found: list[Structure], index: int) -> Crystal:
  where = f'{path}' if len(found) == 1 else f'{path}, structure {index}'
  try:
    return check(found[index])
  except ValueError as error:
    raise ValueError(f'{where}: {error}') from error


def _reason(error: Exception) -> str:
  """What a parser meant."""
  text = ' '.join(str(error).split())
  if isinstance(error, ase.io.formats.UnknownFileTypeError):
    return f'no known format ({text})'
  if isinstance(error, KeyError):
    return f'unknown species or keyword {text}'
  if isinstance(error, ValueError) and text:
    return text
  return f'malformed ({type(error).__name__}{": " if text else ""}{text})'
