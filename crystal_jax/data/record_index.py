"""Compact index of all crystals of a data set: ids, formulas, fingerprints.

An entry takes about 60 bytes, so that an index of millions fits in memory.
Repeated ids, splits and duplicates are found with it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.data import splits, summary
from crystal_jax.io.reading import shards
from crystal_jax.io.reading.items import Skip

# Properties by id.
Table = Mapping[str, Mapping[str, float | str]]

# One crystal; `id` and `formula` are hashes.
_ENTRY = np.dtype(
  [
    ('id', 'u8'),
    ('formula', 'f8'),
    ('fingerprint', 'f4', 8),
    ('atoms', 'i4'),
    ('fits', '?'),
    ('split', 'i4'),
  ]
)


@dataclasses.dataclass(frozen=True)
class RecordIndex:
  """Index of all crystals, in the order of the shards.

  Attributes:
    crystals: One entry per crystal; `split` is an index into `names`, or -1.
    starts: Index of each shard's first crystal.
    names: Names of the splits.
    columns: Names of all properties; True if any value is a number.
    skipped: Items without a readable crystal.
  """

  crystals: np.ndarray
  starts: list[int]
  names: list[str]
  columns: dict[str, bool]
  skipped: list[Skip]


def index_records(
  files: Sequence[pathlib.Path], table: Table, split: str
) -> RecordIndex:
  """Builds the index in one pass over the shards.

  Args:
    files: The shards.
    table: Properties by id.
    split: 'formula', 'file', or the property that names the split.
  """
  parts, starts, count = [np.zeros(0, _ENTRY)], [], 0
  names: dict[str, int] = {}
  columns: dict[str, bool] = {}
  skipped: list[Skip] = []
  reach = summary.BOX_LENGTH / 2 - 2 * summary.BOX_SIGMA
  for file in files:
    shard = shards.load(file)
    skipped += shard.skipped
    entries = np.zeros(len(shard.rows), _ENTRY)
    entries['atoms'] = np.diff(shard.offsets)
    for entry, row in zip(entries, shard.rows, strict=True):
      properties = row['properties'] | look_up(table, row)
      for column, value in properties.items():
        number = isinstance(value, float)
        columns[column] = number or columns.get(column, False)
      name = properties.get(split)
      if split == 'file':
        name = splits.split_from_filename(row['file'])
      entry['id'] = _digest(row['id'])
      entry['formula'] = splits.formula_hash(row['formula'])
      entry['fingerprint'] = row['fingerprint']
      entry['fits'] = row['radius'] <= reach
      # An empty field of a table names no split.
      named = name is not None and split != 'formula'
      entry['split'] = names.setdefault(str(name), len(names)) if named else -1
    parts.append(entries)
    starts.append(count)
    count += len(entries)
  return RecordIndex(
    np.concatenate(parts), starts, list(names), columns, skipped
  )


def look_up(table: Table, row: Mapping[str, Any]) -> dict[str, float | str]:
  """Properties of a crystal by its id, or by the name of its file."""
  name = row['file'].rsplit('/', 1)[-1]
  for key in row['id'], row['file'], row['id'].rsplit('/', 1)[-1], name:
    if key in table:
      return dict(table[key])
  return {}


def _digest(id_: str) -> int:
  digest = hashlib.blake2b(id_.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'big')
