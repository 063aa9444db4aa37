"""Assembly of shards into a data set: unique ids, splits, summary.

Two passes over the shards keep memory small for millions of crystals: the first
builds the record index (`record_index`), the second writes the crystals.
"""

from __future__ import annotations

import csv
import pathlib
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.codec import coverage
from crystal_jax.data import splits, tfds_folder
from crystal_jax.data import summary as summary_lib
from crystal_jax.data.features import RESERVED
from crystal_jax.data.record_index import (
  RecordIndex,
  Table,
  index_records,
  look_up,
)
from crystal_jax.data.summary import Summary
from crystal_jax.io import atomic
from crystal_jax.io.reading import shards
from crystal_jax.io.reading.items import Skip

# Number of shards whose crystals are shuffled together. Crystals of one shard
# are often similar; the first crystals of a split should be a mixture.
_SHUFFLED_SHARDS = 64


def assemble(
  out: pathlib.Path,
  partial: pathlib.Path,
  files: Sequence[pathlib.Path],
  skipped: Sequence[Skip],
  *,
  table: Table,
  split: str,
  fractions: Sequence[float],
  key: str,
) -> Summary:
  """Writes the data set of the given shards.

  Args:
    out: Folder of the data set.
    partial: Folder of the incomplete data set.
    files: The shards.
    skipped: Files skipped before reading.
    table: Properties by id.
    split: 'formula', 'file', or the property that names the split.
    fractions: Shares of train, val and test.
    key: Digest of the input and the options.

  Raises:
    ValueError: If no crystal was read, or no crystal has the property `split`.
  """
  index = index_records(files, table, split)
  crystals = index.crystals
  first = _first_of_its_id(crystals['id'])
  repeated = first != np.arange(len(first))
  names, split_index = _choose_splits(index, split, fractions, ~repeated)
  kept = ~repeated & (split_index >= 0)
  skipped = [*skipped, *index.skipped]
  if not kept.any():
    raise ValueError(
      f'No crystal could be read; {len(skipped)} items were skipped'
      + (f', such as {skipped[0].file}: {skipped[0].reason}' if skipped else '')
    )
  counts = np.bincount(split_index[kept], minlength=len(names)).tolist()
  sizes = dict(zip(names, counts, strict=True))
  scalars = property_names(c for c, number in index.columns.items() if number)
  kept_indices = np.flatnonzero(kept)
  pairs = [
    (int(kept_indices[i]), int(kept_indices[j]))
    for i, j in summary_lib.find_duplicates(
      crystals['formula'][kept], crystals['fingerprint'][kept]
    )
  ]
  lost = np.flatnonzero(~kept).tolist()
  wanted = {i for pair in pairs for i in pair}
  wanted |= {i for n in lost for i in (n, int(first[n]))}
  writer = tfds_folder.TfdsWriter(
    partial,
    [name for name, size in sizes.items() if size],
    {name: f'{column} of the source.' for column, name in scalars.items()},
    'Crystals read from files; see summary.json.',
  )
  splits_of = [
    names[i] if keep else None
    for i, keep in zip(split_index, kept, strict=True)
  ]
  labels, elements, covered = _write(
    writer, files, index.starts, table, scalars, splits_of, wanted
  )
  for n in lost:
    file, id_ = labels[n]
    reason = f'no value in column {split!r}'
    if repeated[n]:
      reason = f'the id {id_!r} is taken by {labels[int(first[n])][0]}'
    skipped.append(Skip(file, id_, reason))
  atoms = np.sort(crystals['atoms'][kept])
  summary = Summary(
    splits=sizes,
    skipped=summary_lib.kinds_of_reasons(skipped),
    other_files=sum(skip.is_ignorable for skip in skipped),
    atoms=(int(atoms[0]), int(atoms[len(atoms) // 2]), int(atoms[-1])),
    elements=summary_lib.by_number(elements),
    duplicates=len(pairs),
    fitting=int(crystals['fits'][kept].sum()),
    covered={name: covered[name] for name in coverage.shipped_limits()},
    notes=tuple(
      f'no crystal is in {name}' for name in splits.SPLITS if not sizes[name]
    ),
    key=key,
  )
  _write_table(
    out / 'skipped.csv',
    ('file', 'id', 'reason'),
    ((skip.file, skip.id, skip.reason) for skip in skipped),
  )
  _write_table(
    out / 'duplicates.csv',
    ('id', 'duplicate_of'),
    ((labels[i][1], labels[j][1]) for i, j in pairs),
  )
  summary.save(out / 'summary.json')
  writer.finish(out)
  return summary


def _first_of_its_id(ids: np.ndarray) -> np.ndarray:
  """For each crystal, the index of the first crystal with the same id."""
  _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
  return first[inverse]


def _choose_splits(
  index: RecordIndex, split: str, fractions: Sequence[float], valid: np.ndarray
) -> tuple[list[str], np.ndarray]:
  """Names of the splits, and the index of each crystal's split or -1."""
  if split == 'formula' or not len(valid):
    split_index = np.full(len(valid), -1)
    hashes = index.crystals['formula'][valid]
    split_index[valid] = splits.split_indices(hashes, fractions)
    return list(splits.SPLITS), split_index
  if not index.names:
    known = sorted(index.columns)
    raise ValueError(f'No crystal has a column {split!r}; known are {known}.')
  where = 'a file name' if split == 'file' else f'column {split!r}'
  splits.check_split_names(index.names, where)
  names = list(dict.fromkeys([*splits.SPLITS, *index.names]))
  numbers = np.array([names.index(name) for name in index.names] + [-1])
  return names, numbers[index.crystals['split']]


def _write(
  writer: tfds_folder.TfdsWriter,
  files: Sequence[pathlib.Path],
  starts: Sequence[int],
  table: Table,
  scalars: Mapping[str, str],
  splits_of: Sequence[str | None],
  wanted: Container[int],
) -> tuple[dict[int, tuple[str, str]], Counter[str], Counter[str]]:
  """Writes the crystals that have a split.

  Returns:
    File and id of the `wanted` crystals; number of crystals with each element;
    number of crystals that each shipped codec can encode.
  """
  labels: dict[int, tuple[str, str]] = {}
  elements: Counter[str] = Counter()
  covered: Counter[str] = Counter()
  rng = np.random.default_rng(0)
  order = rng.permutation(len(files))
  for begin in range(0, len(order), _SHUFFLED_SHARDS):
    group = []
    for number in order[begin : begin + _SHUFFLED_SHARDS].tolist():
      shard = shards.load(files[number])
      for row_index, row in enumerate(shard.rows):
        index = starts[number] + row_index
        if index in wanted:
          labels[index] = row['file'], row['id']
        if splits_of[index] is None:
          continue
        symbols = summary_lib.elements_of(row['formula'])
        elements.update(symbols)
        covered.update(coverage.covering(symbols, row['primitive']))
        properties = row['properties'] | look_up(table, row)
        record = _record(shard, row_index, properties, scalars)
        group.append((splits_of[index], record))
    by_split = defaultdict(list)
    for i in rng.permutation(len(group)).tolist():
      by_split[group[i][0]].append(group[i][1])
    writer.add(by_split)
  return labels, elements, covered


def _record(
  shard: shards.Shard,
  index: int,
  properties: Mapping[str, float | str],
  scalars: Mapping[str, str],
) -> dict[str, Any]:
  atoms = slice(*shard.offsets[index : index + 2])
  record = {
    'id': shard.rows[index]['id'],
    'numbers': shard.numbers[atoms],
    'positions': np.float32(shard.positions[atoms]),
    'cell': np.float32(shard.cell[index]),
  }
  for column, name in scalars.items():
    value = properties.get(column)
    is_number = isinstance(value, float)
    record[name] = np.float32(value if is_number else 'nan')
  return record


def property_names(columns: Iterable[str]) -> dict[str, str]:
  """Name of the feature of each column of numbers."""
  names: dict[str, str] = {}
  for column in columns:
    if column.startswith('Unnamed'):
      continue
    name = re.sub(r'[^A-Za-z0-9_]', '_', column).strip('_') or 'property'
    while name in RESERVED or name in names.values():
      name += '_'
    names[column] = name
  return names


def _write_table(path, header, rows: Iterable[Sequence[str]]) -> None:
  """Writes a CSV atomically."""
  with (
    atomic.replacing(path) as partial,
    partial.open('w', newline='', encoding='utf-8') as file,
  ):
    csv.writer(file).writerows([header, *rows])
