"""Chemical formula of a CIF: counts of the elements."""

from __future__ import annotations

import collections
import re

import ase.data

from crystal_jax.io.cif_tags import Tags

SYMBOLS = frozenset({*ase.data.chemical_symbols[1:], 'D', 'T'})
_FORMULAS = 'sum', 'moiety', 'iupac', 'structural'
_COUNT = r'(\d+\.?\d*|\.\d+)'
_TERM = re.compile(rf'\s*(?:([A-Z][a-z]?)|([(\[])|([)\]])){_COUNT}?')
# 'Na Cl, 2(H2 O)' and 'Na Cl . 2H2O' have two parts; 'S O4 2-' has a charge.
_SEPARATOR = re.compile(r'[,;](?![^(\[]*[)\]])|\s[.*]\s')
_PART = re.compile(rf'\s*{_COUNT}?\s*(.*?)(?:\s\d*[+-]|(?<=\))\d*[+-])?\s*')


def read_formula(tags: Tags) -> dict[str, float] | None:
  """Counts by symbol of the chemical formula; None if it is missing.

  `_chemical_formula_sum`, else another one; None too if it is free text, such
  as '(Na, K) Cl'. Deuterium and tritium keep their symbols.
  """
  text = formula_text(tags)
  counts: dict[str, float] = collections.defaultdict(float)
  for part in _SEPARATOR.split(text or ''):
    match = _PART.fullmatch(part)
    found = _parse(match[2]) if match else None
    if not match or found is None:
      return None
    for symbol, count in found.items():
      counts[symbol] += float(match[1] or 1) * count
  return dict(counts) or None


def formula_text(tags: Tags) -> str | None:
  """The chemical formula as it is written; None if it is missing."""
  for name in _FORMULAS:
    if text := tags.value(f'chemical_formula_{name}'):
      return text
  return None


def _parse(text: str) -> dict[str, float] | None:
  """Counts of a part such as 'Cu (N H3)4'; None if it is not understood."""
  groups: list[dict[str, float]] = [{}]
  position = 0
  while position < len(text.rstrip()):
    match = _TERM.match(text, position)
    if not match or (match[1] and match[1] not in SYMBOLS):
      return None
    position = match.end()
    symbol, bracket, _, count = match.groups()
    if bracket:
      groups.append({})
      continue
    if not symbol and len(groups) < 2:
      return None
    added = {symbol: 1.0} if symbol else groups.pop()
    for name, n in added.items():
      groups[-1][name] = groups[-1].get(name, 0.0) + n * float(count or 1)
  return groups[0] if len(groups) == 1 else None
