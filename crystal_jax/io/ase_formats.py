"""Files that ASE parses, unless it would ignore symmetry or guess species.

Its parsers run in a process with limits of time and memory: a file that hangs
or crashes one costs an error.
"""

from __future__ import annotations

import pathlib
import re

import ase
import ase.io
import ase.io.formats

# Space group at the end of the cell: 'PBC 5 5 5 90 90 90 (P1)'.
_BIOSYM = r'(?mi)^PBC(?:[ \t]+[\d.]+){6}[ \t]+(?!\(?P ?1\)?\s*$)\S'
# Patterns of symmetry that ASE's parser ignores or guesses, by format. Without
# it, the crystal would lack atoms.
_SYMMETRY = {
  'espresso-in': r'(?im)^[^!]*\bspace_group\s*=\s*(?!0*[01]\b)\d+',
  'abinit-in': r'(?im)^[^#!]*\bspgroup\s+(?!0*[01]\b)\d+',
  'dmol-car': _BIOSYM,
  'dmol-arc': _BIOSYM,
  'jsv': r'(?im)^\[space_group\]\s*(?!1\b)\d+',
  'xsd': r'GroupName="(?!P ?1")[^"]+"',
  'nwchem-in': r'(?im)^\s*(symmetry|spacegroup)\s+(?!c1\b)\S+',
  'exciting': r'<symmetries\b',
  'castep-cell': r'(?im)^\s*symmetry_generate\b(?s:.*)positions_.*asym',
}
# Formats whose atoms have type numbers or free names, which ASE reads as
# elements.
_GUESSED = {
  'lammps-data': 'type numbers',
  'lammps-dump-binary': 'type numbers',
  'gromacs': 'atom names',
  'gromos': 'atom names',
  'dlp4': 'atom names',
  'dlp-history': 'atom names',
}
# Patterns of what is refused, whatever else the file holds: the species by
# number alone, mixtures, which ASE reads as whole atoms, and what it ignores.
_REFUSED = {
  'lammps-dump-text': (
    r'(?m)^ITEM: ATOMS(?!.* element( |$))',
    'unknown species: the dump has type numbers; write its column element',
  ),
  'castep-cell': (
    r'(?i)\bmixture\b',
    'partial occupancy: a MIXTURE; give an ordered structure',
  ),
  'octopus-in': (
    r'(?mi)^[ \t]*Units(Input)?[ \t]*=(?!.*atomic)',
    'units other than atomic ones, which are not read; convert it to CIF',
  ),
  'crystal': (
    r'\A\s*[012]\s',
    'not periodic in three directions; give a crystal',
  ),
  'cfg': (
    r'(?mi)^\s*(A\s*=(?!\s*0*1(\.0*)?(?![\d.]))|auxiliary.*=\s*occ)',
    'a length scale A other than 1, or occupancies, which are not read; '
    'multiply H0 by A, and give an ordered structure',
  ),
  'abinit-in': (
    r'(?mi)^[^#!\n]*\b(xcart\b[-+.\d\sed*/]*ang|ntypalch\s+0*[1-9]|'
    r'ndtset\s+0*[2-9])',
    'units of xcart, alchemical species or several data sets, which are not '
    'read; convert it to CIF or extxyz',
  ),
}
_SCANNED_BYTES = 10_000_000  # Bytes that are searched for the patterns.


def read(path: pathlib.Path, file_format: str) -> list[ase.Atoms]:
  """The structures of a file, parsed by ASE.

  Raises:
    OSError: If the file cannot be opened.
    ValueError: If ASE cannot parse it within the limits, or would ignore
      symmetry or guess the species.
  """
  if file_format in _GUESSED:
    raise ValueError(
      f'unknown species: {file_format} has {_GUESSED[file_format]}, not '
      'elements; convert it to extxyz with its species'
    )
  patterns = [_REFUSED[file_format]] if file_format in _REFUSED else []
  if file_format in _SYMMETRY:
    reason = (
      f'it states a space group, which is not read from {file_format}; convert '
      'it to CIF with its symmetry operations'
    )
    patterns.append((_SYMMETRY[file_format], reason))
  if patterns:
    with ase.io.formats.open_with_compression(str(path), 'rb') as file:
      text = file.read(_SCANNED_BYTES).decode('utf-8', 'replace')
    for pattern, reason in patterns:
      if re.search(pattern, text):
        raise ValueError(reason)
  with path.open('rb'):  # An error of the system is raised as such.
    pass
  from crystal_jax.io.reading import pool  # It imports this package.

  (found,) = pool.isolated_map(
    _parse, [(path, file_format)], workers=1, memory_limit=pool.MEMORY_LIMIT
  )
  if isinstance(found, pool.Failure):
    raise ValueError(found.reason.removeprefix('raised ValueError: '))
  return found


def _parse(argument: tuple[pathlib.Path, str]) -> list[ase.Atoms]:
  """The structures of a file, without what cannot be sent to a process."""
  path, file_format = argument
  try:
    found = list(
      ase.io.iread(
        str(path), ':', format=file_format, do_not_split_by_at_sign=True
      )
    )
  except MemoryError:
    raise
  except Exception as error:
    raise ValueError(_malformed(file_format)) from error
  for atoms in found:
    atoms.calc = None
    atoms.set_constraint()
  return found


def _malformed(file_format: str) -> str:
  known = ase.io.formats.ioformats.get(file_format)
  name = known.description if known else file_format
  return (
    f'malformed, cut off, not {name} (read as {file_format}), or more than ASE '
    'reads of it; convert it to CIF or extxyz'
  )
