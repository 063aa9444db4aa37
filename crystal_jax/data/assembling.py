"""Chunks of crystals to a data set: ids made unique, splits chosen, counted."""

from __future__ import annotations

import csv
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crystal_jax.data import prepared, splits
from crystal_jax.data.features import RESERVED
from crystal_jax.data.summary import (
  BOX_LENGTH,
  BOX_SIGMA,
  Summary,
  count_elements,
  kinds_of_reasons,
  twins,
)
from crystal_jax.reading import chunks
from crystal_jax.reading.items import Skip

Row = dict[str, Any]


def assemble(
  out: pathlib.Path,
  partial: pathlib.Path,
  files: Sequence[pathlib.Path],
  skipped: Sequence[Skip],
  *,
  table: Mapping[str, Mapping[str, float | str]],
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
  rows, skipped = _gather(files, list(skipped), table)
  chosen, missing = _choose(rows, split, fractions)
  skipped += missing
  kept = [row for row, name in zip(rows, chosen, strict=True) if name]
  names = [name for name in chosen if name]
  if not kept:
    raise ValueError(
      f'Not one crystal could be read; {len(skipped)} things were skipped'
      + (f', such as {skipped[0].file}: {skipped[0].reason}' if skipped else '')
    )
  scalars = property_names(kept)
  by_split = {name: [] for name in dict.fromkeys((*splits.NAMES, *names))}
  for row, name in zip(kept, names, strict=True):
    numbers = {
      feature: row['properties'][column]
      for column, feature in scalars.items()
      if isinstance(row['properties'].get(column), float)
    }
    by_split[name].append((*row['place'], numbers))
  formulas = [row['formula'] for row in kept]
  pairs = twins(formulas, [row['fingerprint'] for row in kept])
  atoms = [row['atoms'] for row in kept]
  reach = BOX_LENGTH / 2 - 2 * BOX_SIGMA
  summary = Summary(
    splits={name: len(members) for name, members in by_split.items()},
    skipped=kinds_of_reasons(skipped),
    other_files=sum(skip.other for skip in skipped),
    atoms=(min(atoms), sorted(atoms)[len(atoms) // 2], max(atoms)),
    elements=count_elements(formulas),
    duplicates=len(pairs),
    fitting=sum(row['radius'] <= reach for row in kept),
    notes=tuple(
      f'no crystal is in {name}' for name in splits.NAMES if not by_split[name]
    ),
    key=key,
  )
  _write_table(
    out / 'skipped.csv',
    ('file', 'id', 'reason'),
    [(skip.file, skip.id, skip.reason) for skip in skipped],
  )
  _write_table(
    out / 'twins.csv',
    ('id', 'looks_like'),
    [(kept[i]['id'], kept[j]['id']) for i, j in pairs],
  )
  summary.save(out / 'summary.json')
  prepared.write(
    partial,
    out,
    {name: members for name, members in by_split.items() if members},
    files,
    {name: f'{column} of the source.' for column, name in scalars.items()},
    str(summary),
  )
  return summary


def _gather(
  files: Sequence[pathlib.Path],
  skipped: list[Skip],
  table: Mapping[str, Mapping[str, float | str]],
) -> tuple[list[Row], list[Skip]]:
  """All chunks' crystals but those whose id is taken; and what was skipped."""
  rows, taken = [], {}
  for which, file in enumerate(files):
    chunk = chunks.load(file)
    skipped += chunk.skipped
    for number, row in enumerate(chunk.rows):
      id_ = row['id']
      if id_ in taken:
        reason = f'the id {id_!r} is taken by {taken[id_]}'
        skipped.append(Skip(row['file'], id_, reason))
        continue
      taken[id_] = row['file']
      row['place'] = which, number
      row['atoms'] = int(chunk.offsets[number + 1] - chunk.offsets[number])
      row['properties'] |= _look_up(table, row)
      rows.append(row)
  return rows, skipped


def _look_up(table, row) -> Mapping[str, float | str]:
  """Properties of a crystal by its id, or by the name of its file."""
  name = row['file'].rsplit('/', 1)[-1]
  for key in row['id'], row['file'], row['id'].rsplit('/', 1)[-1], name:
    if key in table:
      return table[key]
  return {}


def _choose(rows, split, fractions) -> tuple[list[str | None], list[Skip]]:
  """The split of each crystal; those without one are skipped."""
  if split == 'formula' or not rows:
    formulas = [row['formula'] for row in rows]
    return splits.by_formula(formulas, fractions), []
  if split == 'file':
    return splits.by_file([row['file'] for row in rows]), []
  names = splits.by_column([row['properties'] for row in rows], split)
  missing = [
    Skip(row['file'], row['id'], f'no value in column {split!r}')
    for row, name in zip(rows, names, strict=True)
    if name is None
  ]
  return names, missing


def property_names(rows: Sequence[Row]) -> dict[str, str]:
  """The feature that each numeric property becomes."""
  columns = {
    column: None
    for row in rows
    for column, value in row['properties'].items()
    if isinstance(value, float) and not column.startswith('Unnamed')
  }
  names = {}
  for column in columns:
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
