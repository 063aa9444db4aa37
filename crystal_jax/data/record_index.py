"""What is noted of every crystal, for what can only be told of all together.

Some 60 bytes each, for there may be millions: is its id taken, of which split
is its formula, whom does it look like.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from crystal_jax.data import splits, summary
from crystal_jax.io.reading import shards
from crystal_jax.io.reading.items import Skip

# Properties by id.
Table = Mapping[str, Mapping[str, float | str]]

# A note; the id as a digest.
_KIND = np.dtype(
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
class Notes:
  """Of all crystals, in the order in which they were read.

  Attributes:
    crystals: A record each; `split` is a number in `names`, or -1.
    starts: The first crystal of each chunk.
    names: What names a split.
    columns: Of all properties; whether there are numbers in it.
    skipped: What could not be read.
  """

  crystals: np.ndarray
  starts: list[int]
  names: list[str]
  columns: dict[str, bool]
  skipped: list[Skip]


def take_notes(
  files: Sequence[pathlib.Path], table: Table, split: str
) -> Notes:
  """Goes through chunks once.

  Args:
    files: The chunks.
    table: Properties by id.
    split: 'formula', 'file', or the property that names the split.
  """
  found, starts, count = [np.zeros(0, _KIND)], [], 0
  names, columns, skipped = {}, {}, []
  reach = summary.BOX_LENGTH / 2 - 2 * summary.BOX_SIGMA
  for file in files:
    chunk = shards.load(file)
    skipped += chunk.skipped
    notes = np.zeros(len(chunk.rows), _KIND)
    notes['atoms'] = np.diff(chunk.offsets)
    for note, row in zip(notes, chunk.rows, strict=True):
      properties = row['properties'] | look_up(table, row)
      for column, value in properties.items():
        number = isinstance(value, float)
        columns[column] = number or columns.get(column, False)
      name = properties.get(split)
      if split == 'file':
        name = splits.of_file(row['file'])
      note['id'] = _digest(row['id'])
      note['formula'] = splits.place(row['formula'])
      note['fingerprint'] = row['fingerprint']
      note['fits'] = row['radius'] <= reach
      # An empty cell of a table is no name either.
      named = name is not None and split != 'formula'
      note['split'] = names.setdefault(str(name), len(names)) if named else -1
    found.append(notes)
    starts.append(count)
    count += len(notes)
  return Notes(np.concatenate(found), starts, list(names), columns, skipped)


def _digest(id_: str) -> int:
  digest = hashlib.blake2b(id_.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'big')


def look_up(table: Table, row: Mapping) -> Mapping[str, float | str]:
  """Properties of a crystal by its id, or by the name of its file."""
  name = row['file'].rsplit('/', 1)[-1]
  for key in row['id'], row['file'], row['id'].rsplit('/', 1)[-1], name:
    if key in table:
      return table[key]
  return {}
