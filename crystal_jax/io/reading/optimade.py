"""Crystals as OPTIMADE has them, in JSON answers, JSON lines and parquet files.

An entry has `lattice_vectors` [3, 3] and `cartesian_site_positions` [N, 3] in Å
and `species_at_sites` [N], by itself or in `attributes`; so have Alexandria's
OPTIMADE pages and LeMat-Bulk's parquet files. What else is a number in it is a
property.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np

from crystal_jax.structure import elements, validation

_BLOCK = 100  # Rows of a parquet file that are read at a time.
_IDS = ('id', 'immutable_id', 'material_id')
_SITES = (
  'lattice_vectors',
  'cartesian_site_positions',
  'species_at_sites',
)


@dataclasses.dataclass(frozen=True)
class Entry:
  """One structure, not yet checked."""

  entry: dict[str, Any]

  def to_ase(self) -> ase.Atoms:
    """Its atoms.

    Raises:
      ValueError: If something is missing, no number or no element, or a species
        is a mixture.
    """
    said = attributes(self.entry)
    missing = [name for name in _SITES if said.get(name) is None]
    if missing:
      raise ValueError(f'no atoms: it lacks {", ".join(missing)}')
    kinds = {kind['name']: _element(kind) for kind in said.get('species') or ()}
    names = [kinds.get(name, name) for name in said['species_at_sites']]
    cell, positions = (np.array(said[name], float) for name in _SITES[:2])
    if positions.shape != (len(names), 3):
      raise ValueError(f'{len(names)} species for positions {positions.shape}')
    return ase.Atoms(
      [elements.number(name) for name in names],
      positions,
      cell=cell,
      pbc=said.get('dimension_types', (1, 1, 1)),
    )


def attributes(entry: dict[str, Any]) -> dict[str, Any]:
  """What is said of an entry."""
  return entry.get('attributes') or entry


def own_id(entry: dict[str, Any]) -> str:
  """The id of an entry, or ''."""
  for said in entry, attributes(entry):
    for name in _IDS:
      if said.get(name):
        return str(said[name])
  return ''


def read_line(path: str, start: int) -> bytes:
  """The line of a file that begins at a byte."""
  with open(path, 'rb') as file:
    file.seek(start)
    return file.readline()


def blocks(path: str) -> Iterator[tuple[int, int]]:
  """Row group and first row of every hundred rows of a parquet file.

  Raises:
    ValueError: If it is none, or pyarrow is not installed.
  """
  groups = _open(path).metadata
  for group in range(groups.num_row_groups):
    for first in range(0, groups.row_group(group).num_rows, _BLOCK):
      yield group, first


def read_block(path: str, group: int, first: int) -> list[dict[str, Any]]:
  """The rows that begin there."""
  return _row_group(path, group).slice(first, _BLOCK).to_pylist()


def _element(kind: dict[str, Any]) -> str:
  """The element of a species.

  Raises:
    ValueError: If it is a mixture, or partly empty.
  """
  for share in kind.get('concentration') or (1.0,):
    validation.check_occupancy(kind['name'], float(share))
  symbols = kind.get('chemical_symbols') or [kind['name']]
  return symbols[0]


@functools.lru_cache(maxsize=1)
def _row_group(path: str, group: int):
  return _open(path).read_row_group(group)


def _open(path: str):
  try:
    import pyarrow
    import pyarrow.parquet
  except ImportError as error:
    raise ValueError('parquet needs pyarrow: pip install pyarrow') from error
  try:
    return pyarrow.parquet.ParquetFile(path)
  except pyarrow.ArrowException as error:
    raise ValueError(f'no parquet file: {error}') from error
