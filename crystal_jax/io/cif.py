"""Structures of a CIF: sites, checked and multiplied by the symmetry.

gemmi parses the file, forty times as fast as ASE. Sites are multiplied here,
one by one, so that two sites on one position are noticed and no species is
guessed.
"""

from __future__ import annotations

import codecs
import dataclasses
import re
import warnings
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import ase
import numpy as np
from jaxtyping import Float

from crystal_jax.io import (
  cif_contents,
  cif_disorder,
  cif_geometry,
  cif_species,
)
from crystal_jax.io.cif_formula import read_formula
from crystal_jax.io.cif_symmetry import Symmetry, read_symmetry, states_symmetry
from crystal_jax.io.cif_tags import Tags, canonical
from crystal_jax.io.operations import Operations, expand
from crystal_jax.structure import elements

if TYPE_CHECKING:  # Only reading a CIF needs it at run time.
  import gemmi

# Text that is not ASCII has no meaning in a CIF, and gemmi refuses it.
_ASCII = bytes(range(128)) + b'-' * 128
# Dashes and the minus sign in UTF-8, and the space that does not break.
_DASHES = re.compile(rb'\xe2\x80[\x90-\x95]|\xe2\x88\x92')
_SPACE = b'\xc2\xa0'

# Columns of the sites; they must stand in one loop, since they are read row by
# row.
_COLUMNS = (
  'label', 'type_symbol', 'fract_x', 'fract_y', 'fract_z', 'cartn_x', 'cartn_y',
  'cartn_z', 'occupancy', 'calc_flag', 'attached_hydrogens',
  'disorder_assembly', 'disorder_group', 'site_symmetry_multiplicity',
  'symmetry_multiplicity',
)  # fmt: skip
# Tags of sites; blocks with displacement parameters or moments alone have none.
_OF_SITES = re.compile('atom_site_(?!aniso_|moment_)')
_DUMMY = 'dum'  # Calculation flag of a site that is no atom.


@dataclasses.dataclass(frozen=True)
class Block:
  """One structure of a CIF, not yet checked."""

  block: gemmi.cif.Block
  without_sites: tuple[gemmi.cif.Block, ...] = ()  # Further blocks.

  def to_ase(self) -> ase.Atoms:
    """All atoms of the cell.

    Raises:
      ValueError: If the cell or a coordinate is missing or not a number, a
        species is unknown, a site is partly occupied, the symmetry is unclear,
        or the file contradicts itself.
    """
    tags = Tags(self.block)
    if not tags.are_one_loop(f'atom_site_{name}' for name in _COLUMNS):
      raise ValueError(
        'columns of the sites stand in several loops; put them into one'
      )
    _drop_dummies(tags)
    cell = cif_geometry.read_cell(tags)
    sites = cif_geometry.read_sites(tags, cell)
    formula = read_formula(tags)
    symbols = cif_species.read_species(tags, formula)
    labels = tags.column('atom_site_label') or symbols
    if not len(symbols) == len(sites) == len(labels):
      raise ValueError(
        f'{len(symbols)} species and {len(labels)} labels for {len(sites)} '
        'sites; give one of each per site'
      )
    cif_disorder.check_occupancies(tags, labels)
    cif_disorder.check_alternatives(tags, labels)
    cif_disorder.check_missing_atoms(tags, labels, symbols)
    if not states_symmetry(tags) and any(
      states_symmetry(Tags(other)) for other in self.without_sites
    ):
      raise ValueError(
        'the symmetry is stated in another block than the sites; put both into '
        'one block'
      )
    symmetry = read_symmetry(tags, cell)
    atoms, counts, group = _choose(
      tags, formula, symmetry, symbols, sites, cell
    )
    cif_contents.check_multiplicities(
      tags, labels, counts, len(group.rotations)
    )
    cif_contents.check_type_numbers(tags, atoms)
    cif_contents.check_density(tags, atoms)
    return atoms


def blocks(file: IO) -> Iterator[Block]:
  """The structures of a CIF: its blocks with atom sites.

  Raises:
    ValueError: If the file is not a CIF.
  """
  import gemmi

  data = file.read()
  if isinstance(data, str):
    data = data.encode()
  data = _DASHES.sub(b'-', data.removeprefix(codecs.BOM_UTF8))
  data = data.replace(_SPACE, b' ').translate(_ASCII)
  data = data.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
  try:  # Level 0: one name may head two blocks.
    document = gemmi.cif.read_string(data, check_level=0)
  except (ValueError, RuntimeError) as error:
    raise ValueError(_syntax(str(error))) from None
  holds_sites = [any(map(_OF_SITES.match, _names(block))) for block in document]
  without_sites = tuple(
    block
    for block, has_sites in zip(document, holds_sites, strict=True)
    if not has_sites
  )
  for block, has_sites in zip(document, holds_sites, strict=True):
    if has_sites:
      yield Block(block, without_sites)


def _choose(
  tags: Tags,
  formula: dict[str, float] | None,
  symmetry: Symmetry,
  symbols: list[str],
  sites: Float[np.ndarray, 'S 3'],
  cell: Float[np.ndarray, '3 3'],
) -> tuple[ase.Atoms, list[int], Operations]:
  """Atoms of the cell, number of images of each site, and the group used.

  If the file may mean several groups, the one whose atoms agree with the
  formula is used.
  """
  units = cif_contents.read_units(tags)
  numbers = np.array([elements.number(symbol) for symbol in symbols])
  results, contradictions = [], []
  for group in symmetry.candidates:
    atoms, counts = expand(numbers, sites, group, cell)
    contradiction = cif_contents.formula_contradiction(atoms, formula, units)
    if contradiction is None:
      results.append((atoms, counts, group))
    else:
      contradictions.append(contradiction)
  if not results:
    raise ValueError(contradictions[0])
  if len(results) > 1:
    raise ValueError(
      'the space group does not say which setting is meant (origin or axes); '
      'list its symmetry operations'
    )
  atoms = results[0][0]
  is_confirmed = formula is not None and units is not None
  if symmetry.is_partial and not is_confirmed:
    raise ValueError(
      'the symmetry is stated, but not by a space group or operations that are '
      'understood; list its symmetry operations'
    )
  named = symmetry.named_number
  if named and not cif_contents.has_space_group(atoms, named):
    raise ValueError(
      f'the listed symmetry operations are not those of space group {named}, '
      'which the file names, and its atoms do not have it; list all operations'
    )
  return results[0]


def _drop_dummies(tags: Tags) -> None:
  """Drops the sites that are flagged as dummies; warns with their number."""
  flags = tags.column('atom_site_calc_flag')
  kept = [flag.lower() != _DUMMY for flag in flags]
  if not all(kept):
    tags.keep_rows('atom_site_calc_flag', kept)
    warnings.warn(
      f'{kept.count(False)} dummy sites of the CIF are dropped', stacklevel=2
    )


def _names(block: gemmi.cif.Block) -> Iterator[str]:
  """Canonical tags of a block."""
  for item in block:
    if item.loop is not None:
      yield from map(canonical, item.loop.tags)
    elif item.pair is not None:
      yield canonical(item.pair[0])


def _syntax(message: str) -> str:
  """Error text with the line of gemmi's message 'string:12:3(99): ...'."""
  parts = message.split(':')
  where = (
    f' in line {parts[1]}' if len(parts) > 2 and parts[1].isdigit() else ''
  )
  return f'malformed CIF{where}; compare it with a file that is read'
