"""Sites of a CIF that are alternatives, and atoms without positions."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from crystal_jax.io import fields
from crystal_jax.io.cif_tags import Tags, number
from crystal_jax.structure import validation

_UNKNOWN = '.', '?', ''
# Electrons of a void that were subtracted from the data, at least a molecule.
_MASKS = (
  'platon_squeeze_void_count_electrons',
  'smtbx_masks_void_count_electrons',
)
_MIN_ELECTRONS = 10.0
# Tags of mmCIF that stand for atoms without positions, and their values; None:
# any value.
_MISSING = {
  'struct_ncs_oper_code': 'generate',
  'pdbx_unobs_or_zero_occ_atoms_id': None,
  'pdbx_unobs_or_zero_occ_residues_id': None,
}


def check_occupancies(tags: Tags, labels: Sequence[str]) -> None:
  """Refuses sites that are partly occupied.

  Raises:
    ValueError: If an occupancy is not 1, or is refined and not given.
  """
  is_stated = False
  for tag in tags:
    name = tag.removeprefix('atom_site_')
    if name == tag or not fields.OCCUPANCY.fullmatch(name):
      continue
    is_stated |= bool(tags.known(tag))
    for label, text in zip(labels, tags.column(tag), strict=False):
      if text not in _UNKNOWN:
        value = number(text)
        validation.check_occupancy(label, text if value != value else value)
  flags = tags.column('atom_site_refinement_flags_occupancy') or tags.column(
    'atom_site_refinement_flags'
  )
  for label, flag in zip(labels, flags, strict=False):
    if 'P' in flag and not is_stated:
      raise ValueError(
        f'partial occupancy: site {label} has the refinement flag {flag}, but '
        'no occupancy; give an ordered structure'
      )


def check_alternatives(tags: Tags, labels: Sequence[str]) -> None:
  """Refuses sites that are one of several alternatives.

  Raises:
    ValueError: If a site is, or the sites are those of several models.
  """
  for tag in tags:
    if not (tag.startswith('atom_site_') and tag.endswith('alt_id')):
      continue
    for label, value in zip(labels, tags.column(tag), strict=False):
      if value not in _UNKNOWN:
        raise ValueError(
          f'disorder: site {label} is alternative {value}; keep one of them'
        )
  if len(tags.known('atom_site_pdbx_pdb_model_num')) > 1:
    raise ValueError('the sites are those of several models; keep one of them')
  groups = tags.column('atom_site_disorder_group') or tags.column(
    'atom_site_disorder_group_id'
  )
  if not groups and (named := tags.known('atom_site_disorder_assembly')):
    raise ValueError(
      f'disorder: assembly {named[0]} has no _atom_site_disorder_group; '
      'keep one of its alternatives'
    )
  assemblies = tags.column('atom_site_disorder_assembly') or ['.'] * len(groups)
  alternatives = collections.defaultdict(set)
  occupancies = tags.column('atom_site_occupancy') or ['?'] * len(groups)
  for label, assembly, group, occupancy in zip(
    labels, assemblies, groups, occupancies, strict=False
  ):
    if group in ('.', '?', '0'):
      continue
    alternatives[assembly].add(group)
    is_open = group[0] == '-' or occupancy in _UNKNOWN
    if len(alternatives[assembly]) > 1 or is_open:
      raise ValueError(
        f'disorder: site {label} is one of several alternatives (group '
        f'{group}); keep one of them'
      )


def check_missing_atoms(
  tags: Tags, labels: Sequence[str], symbols: Sequence[str]
) -> None:
  """Refuses atoms that the file states without their positions.

  Raises:
    ValueError: If hydrogens are attached to sites, a solvent was masked, or
      atoms were not observed.
  """
  for tag in tags:
    if not (tag.startswith('atom_site_') and tag.endswith('_hydrogens')):
      continue
    for label, value in zip(labels, tags.column(tag), strict=False):
      if value not in _UNKNOWN and not number(value) == 0:
        raise ValueError(
          f'site {label} has {value} attached hydrogens without positions; add '
          'them as sites'
        )
  bonded = [number(n) for n in tags.known('chemical_conn_atom_nh')]
  if any(n > 0 for n in bonded) and 'H' not in symbols:
    raise ValueError(
      '_chemical_conn_atom_NH states hydrogens, but no site is one; add them '
      'as sites'
    )
  for tag in _MASKS:
    if any(number(n) >= _MIN_ELECTRONS for n in tags.known(tag)):
      raise ValueError(
        f'a mask of solvent ({tags.spellings[tag]}): its atoms have no '
        'positions; add them as sites, or delete the tag'
      )
  for tag, meaning in _MISSING.items():
    if any(meaning in (None, value) for value in tags.known(tag)):
      raise ValueError(
        f'{tags.spellings[tag]} states atoms without positions; add them as '
        'sites'
      )
