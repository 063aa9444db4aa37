"""Elements of the sites of a CIF, by type symbol, label and formula.

Type symbols and labels are free text: NO3 and PO4 are molecules, T is a
tetrahedral site, the label CA1 is a carbon or calcium. The formula and the list
of atom types decide; where they do not, the site is refused.
"""

from __future__ import annotations

import re

from crystal_jax.io.cif_formula import SYMBOLS, formula_text
from crystal_jax.io.cif_tags import Tags
from crystal_jax.structure import elements

_SYMBOL = re.compile('[A-Za-z]{1,2}')
_MIXTURE = re.compile('[/,+&][A-Z]')  # 'Al/Si' is no aluminium.
_LABEL = re.compile(r'([A-Z])([a-z]?)(?![a-z])([A-Z]?)')
_TWO_SYMBOLS = re.compile('[A-Z][a-z]([A-Z][a-z])(?![a-z])')  # 'FeMg'
# Molecules, and mixtures with counts: 'H2O', 'CH3', 'SO4', 'Fe.5Mg.5'.
_SEVERAL = re.compile(
  r'[A-Z][a-z]?[\d.]*([HOFN](?![a-z])|(?<=[\d.])[A-Z][a-z])'
)
_HYDROGENS = {'D': 'H', 'T': 'H'}
# Carbonyl, hydroxyl, rare earth and transition metal, or cobalt, holmium,
# rhenium and thulium in capitals.
_GROUPS = 'CO', 'HO', 'RE', 'TM'


def read_species(tags: Tags, formula: dict[str, float] | None) -> list[str]:
  """The symbol of each site.

  Args:
    tags: Tags of the block.
    formula: Formula of the crystal, if known.

  Raises:
    ValueError: If a type symbol or a label is not an element, or not an element
      of the formula.
  """
  declared = set(formula or ())
  for symbol in tags.known('atom_type_symbol'):
    if not _is_capitals(symbol):
      declared |= _element(symbol)
  symbols = tags.column('atom_site_type_symbol')
  if not tags.known('atom_site_type_symbol'):
    symbols = []
  labels = tags.column('atom_site_label')
  names = symbols or labels
  if not names:
    raise ValueError(
      'sites have neither type symbols nor labels; add _atom_site_type_symbol'
    )
  read = _of_type if symbols else _of_label
  found = {name: read(name, declared) for name in dict.fromkeys(names)}
  for name, symbol in found.items():
    if formula and not _is_in(symbol, formula):
      raise ValueError(
        f'species {name!r} ({symbol}) is not in the formula '
        f'{formula_text(tags)!r}; correct one of them'
      )
  return [found[name] for name in names]


def _of_type(symbol: str, declared: set[str]) -> str:
  """The element of a type symbol: 'Ti4+' is Ti; 'NH4+' is refused."""
  match = _SYMBOL.match(symbol)
  name = match[0].capitalize() if match else ''
  if name in declared and re.fullmatch(elements.SUFFIX, symbol[len(name) :]):
    return _HYDROGENS.get(name, name)
  if symbol in _GROUPS or not _element(symbol):
    raise ValueError(
      f'unknown species {symbol!r}: no element by itself, by the formula or by '
      'the atom types; correct _atom_site_type_symbol'
    )
  return _element(symbol).pop()


def _of_label(label: str, declared: set[str]) -> str:
  """The element that opens a label: 'Ti1' is Ti, 'O2A' and 'OW1' are O."""
  match = _LABEL.match(label)
  if not match or _MIXTURE.search(label):
    raise ValueError(_unknown_label(label))
  first, second, capital = match.groups()
  two = _TWO_SYMBOLS.match(label) or (not declared and _SEVERAL.match(label))
  if two and two[1] in SYMBOLS:
    raise ValueError(_unknown_label(label))
  if second:
    choices = [first + second]
    if choices[0] not in SYMBOLS and _is_in(first, declared):
      choices = [first]  # 'Oa', 'Ow'
  else:
    choices = [first, first + capital.lower()] if capital else [first]
  choices = [c for c in choices if _is_symbol(c, declared)]
  if len(choices) > 1 and declared:
    choices = [c for c in choices if _is_in(c, declared)] or choices
  if len(choices) > 1:
    raise ValueError(
      f'unknown species: label {label!r} may mean {choices[0]} or '
      f'{choices[1]}; add _atom_site_type_symbol'
    )
  if not choices:
    raise ValueError(_unknown_label(label))
  return _HYDROGENS.get(choices[0], choices[0])


def _unknown_label(label: str) -> str:
  return f'unknown species: label {label!r}; add _atom_site_type_symbol'


def _is_symbol(name: str, declared: set[str]) -> bool:
  """Whether a name is an element; T only if the file declares tritium."""
  if name in _HYDROGENS:
    return name == 'D' or name in declared
  return name in SYMBOLS


def _is_in(symbol: str, declared) -> bool:
  """Whether a file declares an element; isotopes of hydrogen are hydrogen."""
  hydrogens = {'H', 'D', 'T'}
  if symbol in hydrogens:
    return bool(hydrogens & set(declared))
  return symbol in declared


def _element(symbol: str) -> set[str]:
  """The element of this symbol; empty if there is none."""
  try:
    return {elements.symbol(elements.number(symbol))}
  except ValueError:
    return set()


def _is_capitals(symbol: str) -> bool:
  return symbol[:2].isupper() and symbol[:2].isalpha() and len(symbol) > 1
