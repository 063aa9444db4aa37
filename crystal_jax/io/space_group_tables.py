"""Tables of space groups: settings of gemmi, symbols of spglib, spellings."""

from __future__ import annotations

import functools
import re

import numpy as np

from crystal_jax.io.operations import Operations
from crystal_jax.structure.primitive import quietly


def settings_of(number: int) -> list:
  """Settings of a space group that gemmi knows."""
  import gemmi

  return [g for g in gemmi.spacegroup_table() if g.number == number]


def codes(hm: str) -> set[str]:
  """Coordinate system codes of a setting, in lower case."""
  import gemmi

  group = gemmi.find_spacegroup_by_name(hm)
  return {group.ext.strip('\0').lower(), group.qualifier.lower()} - {''}


@functools.lru_cache(maxsize=64)
def operations_of(hm: str) -> Operations:
  """Operations of a setting, by gemmi's name with its extension."""
  import gemmi

  group = gemmi.find_spacegroup_by_name(hm).operations()
  rotations = np.array([op.rot for op in group], float) / gemmi.Op.DEN
  translations = np.array([op.tran for op in group], float) / gemmi.Op.DEN
  return Operations(rotations, translations)


def without_ones(hm: str) -> str:
  """'P 1 21/c 1' and 'P 21/c' are one short name."""
  centring, *axes = hm.split(':')[0].split()
  return ' '.join([centring, *(a for a in axes if a != '1')])


def is_misread(name: str, found: str) -> bool:
  """Whether a name with spaces is the short name of groups other than `found`.

  gemmi drops the spaces: it reads P 3 2 (P 3 2 1 or P 3 1 2) as P 32.
  """
  name = name.split(':')[0].strip().lower()
  is_found = name in (found.lower(), without_ones(found).lower())
  return not is_found and name in short_names()


@functools.cache
def short_names() -> dict[str, tuple[set[str], set[int]]]:
  """Settings and numbers of each short name in lower case: 'p 21/b'."""
  import gemmi

  found: dict[str, tuple[set[str], set[int]]] = {}
  for group in gemmi.spacegroup_table():
    short = without_ones(group.hm).lower()
    names, numbers = found.setdefault(short, (set(), set()))
    names.add(group.xhm())
    numbers.add(group.number)
  return found


def plain(name: str) -> str:
  """A name without parentheses and underscores: P 6_3 is P 63."""
  return ' '.join(re.sub('[()_]', '', name).split())


def squeezed(name: str) -> str:
  """A name without spaces and underscores, in lower case."""
  return re.sub(r'[\s_]', '', name).lower()


@functools.cache
def _types():
  import spglib

  return [quietly(spglib.get_spacegroup_type, i) for i in range(1, 531)]


@functools.cache
def full_names() -> dict[str, set[str]]:
  """Hall symbols of full Hermann-Mauguin names such as F 4/m -3 2/m."""
  names: dict[str, set[str]] = {}
  for one in _types():
    full = squeezed(one.international_full)
    names.setdefault(full, set()).add(one.hall_symbol)
  return names


@functools.cache
def schoenflies_numbers() -> dict[str, int]:
  """Numbers of space groups by Schoenflies symbol, in lower case."""
  return {one.schoenflies.lower(): one.number for one in _types()}
