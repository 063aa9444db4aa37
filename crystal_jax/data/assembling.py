"""Chunks of crystals to a data set: ids made unique, splits chosen, counted.

The chunks are gone through twice, for there may be millions of crystals: first
`notes` are taken, from which follow ids that are taken, splits and twins; then
the crystals are written.
"""

from __future__ import annotations

import csv
import os
import pathlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from crystal_jax.codec import coverage
from crystal_jax.data import prepared, splits
from crystal_jax.data import summary as summary_lib
from crystal_jax.data.features import RESERVED
from crystal_jax.data.record_index import Notes, Table, look_up, take_notes
from crystal_jax.data.summary import Summary
from crystal_jax.io.reading import shards
from crystal_jax.io.reading.items import Skip

# Chunks that are shuffled together. A chunk holds neighbours, and the beginning
# of a split shall not be all of one kind.
_TOGETHER = 64


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
  """Makes a data set of chunks.

  Args:
    out: Where it comes to lie.
    partial: A folder for what is not complete.
    files: The chunks.
    skipped: What was skipped before reading.
    table: Properties by id.
    split: 'formula', 'file', or the property that names the split.
    fractions: Shares of train, val and test.
    key: Of the input and the options.

  Raises:
    ValueError: If there is no crystal, or the split is no property.
  """
  notes = take_notes(files, table, split)
  crystals = notes.crystals
  first = _first_of_its_id(crystals['id'])
  taken = first != np.arange(len(first))
  names, which = _choose(notes, split, fractions, ~taken)
  kept = ~taken & (which >= 0)
  skipped = [*skipped, *notes.skipped]
  if not kept.any():
    # Of a column that names splits, `_choose` has said so.
    raise ValueError(
      f'Not one crystal could be read; {len(skipped)} things were skipped'
      + (f', such as {skipped[0].file}: {skipped[0].reason}' if skipped else '')
    )
  sizes = np.bincount(which[kept], minlength=len(names)).tolist()
  sizes = dict(zip(names, sizes, strict=True))
  scalars = property_names(c for c, number in notes.columns.items() if number)
  places = np.flatnonzero(kept)
  pairs = summary_lib.twins(
    crystals['formula'][kept], crystals['fingerprint'][kept]
  )
  pairs = [(int(places[i]), int(places[j])) for i, j in pairs]
  lost = np.flatnonzero(~kept).tolist()
  wanted = {i for pair in pairs for i in pair}
  wanted |= {i for n in lost for i in (n, int(first[n]))}
  writer = prepared.Writer(
    partial,
    [name for name, size in sizes.items() if size],
    {name: f'{column} of the source.' for column, name in scalars.items()},
    'Crystals read from files; summary.json tells of them.',
  )
  counted = _write(
    writer, files, notes.starts, table, scalars,
    [names[i] if keep else None for i, keep in zip(which, kept, strict=True)],
    wanted,
  )  # fmt: skip
  said, elements, covered = counted
  for n in lost:
    file, id_ = said[n]
    reason = f'no value in column {split!r}'
    if taken[n]:
      reason = f'the id {id_!r} is taken by {said[int(first[n])][0]}'
    skipped.append(Skip(file, id_, reason))
  atoms = np.sort(crystals['atoms'][kept])
  summary = Summary(
    splits=sizes,
    skipped=summary_lib.kinds_of_reasons(skipped),
    other_files=sum(skip.other for skip in skipped),
    atoms=(int(atoms[0]), int(atoms[len(atoms) // 2]), int(atoms[-1])),
    elements=summary_lib.by_number(elements),
    duplicates=len(pairs),
    fitting=int(crystals['fits'][kept].sum()),
    covered={name: covered[name] for name in coverage.limits()},
    notes=tuple(
      f'no crystal is in {name}' for name in splits.NAMES if not sizes[name]
    ),
    key=key,
  )
  _write_table(
    out / 'skipped.csv',
    ('file', 'id', 'reason'),
    ((skip.file, skip.id, skip.reason) for skip in skipped),
  )
  _write_table(
    out / 'twins.csv',
    ('id', 'looks_like'),
    ((said[i][1], said[j][1]) for i, j in pairs),
  )
  summary.save(out / 'summary.json')
  writer.finish(out)
  return summary


def _first_of_its_id(ids: np.ndarray) -> np.ndarray:
  """The place at which each id was first seen."""
  _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
  return first[inverse]


def _choose(
  notes: Notes, split: str, fractions: Sequence[float], valid: np.ndarray
) -> tuple[list[str], np.ndarray]:
  """Names of the splits, and the number of each crystal's, or -1."""
  which = np.full(len(valid), -1)
  names = dict.fromkeys(splits.NAMES)
  if split == 'formula' or not len(valid):
    places = notes.crystals['formula'][valid]
    which[valid] = splits.by_place(places, fractions)
    return list(names), which
  if not notes.names:
    known = sorted(notes.columns)
    raise ValueError(f'No crystal has a column {split!r}; there are {known}.')
  where = 'a file name' if split == 'file' else f'column {split!r}'
  splits.check_names(notes.names, where)
  names = list(names | dict.fromkeys(notes.names))
  numbers = np.array([names.index(name) for name in notes.names] + [-1])
  return names, numbers[notes.crystals['split']]


def _write(
  writer, files, starts, table, scalars, chosen, wanted
) -> tuple[
  dict[int, tuple[str, str]], Counter, Counter
]:
  """Writes the crystals that have a split.

  Returns:
    File and id of those that are `wanted`, and how many crystals have each
    element and are taken by each codec.
  """
  said, elements = {}, Counter()
  covered = Counter()
  rng = np.random.default_rng(0)
  order = rng.permutation(len(files))
  for begin in range(0, len(order), _TOGETHER):
    group = []
    for number in order[begin : begin + _TOGETHER].tolist():
      chunk = shards.load(files[number])
      for place, row in enumerate(chunk.rows):
        index = starts[number] + place
        if index in wanted:
          said[index] = row['file'], row['id']
        if chosen[index] is None:
          continue
        symbols = summary_lib.elements_of(row['formula'])
        elements.update(symbols)
        covered.update(coverage.covering(symbols, row['primitive']))
        properties = row['properties'] | look_up(table, row)
        record = _record(chunk, place, properties, scalars)
        group.append((chosen[index], record))
    by_split = defaultdict(list)
    for i in rng.permutation(len(group)).tolist():
      by_split[group[i][0]].append(group[i][1])
    writer.add(by_split)
  return said, elements, covered


def _record(chunk, place, properties, scalars) -> dict[str, Any]:
  atoms = slice(*chunk.offsets[place : place + 2])
  record = {
    'id': chunk.rows[place]['id'],
    'numbers': chunk.numbers[atoms],
    'positions': chunk.positions[atoms],
    'cell': chunk.cell[place],
  }
  for column, name in scalars.items():
    value = properties.get(column)
    known = isinstance(value, float)
    record[name] = np.float32(value if known else 'nan')
  return record


def property_names(columns: Iterable[str]) -> dict[str, str]:
  """The feature that each column of numbers becomes."""
  names = {}
  for column in columns:
    if column.startswith('Unnamed'):
      continue
    name = re.sub(r'[^A-Za-z0-9_]', '_', column).strip('_') or 'property'
    while name in RESERVED or name in names.values():
      name += '_'
    names[column] = name
  return names


def _write_table(path, header, rows: Iterable[Sequence[str]]) -> None:
  """A CSV, whole or not at all."""
  partial = path.with_suffix('.part')
  with partial.open('w', newline='', encoding='utf-8') as file:
    csv.writer(file).writerows([header, *rows])
  os.replace(partial, path)
