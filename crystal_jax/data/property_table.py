"""Properties of crystals by id, from a CSV or an npz file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import Any

from crystal_jax.io.reading import compact, tables


def read_property_table(
  path: str | os.PathLike[str],
) -> dict[str, dict[str, float | str]]:
  """Properties by id.

  Raises:
    ValueError: If the table cannot be read, is empty, or repeats an id.
  """
  table: dict[str, dict[str, float | str]] = {}
  try:
    for number, (id_, row) in enumerate(_table_rows(os.fspath(path))):
      if id_ in table:
        raise ValueError(f'row {number} repeats the id {id_!r}')
      table[id_] = tables.scalars(row)
  except (ValueError, csv.Error) as error:
    raise ValueError(f'{path}: {error}') from error
  if not table:
    raise ValueError(f'{path}: holds no rows.')
  return table


def _table_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
  """Ids and values of the rows of a CSV or npz."""
  if not path.endswith('.npz'):
    for _, row in tables.table_rows(path):
      yield tables.row_id(row), row
    return
  arrays = compact.read_arrays(path)
  if 'ids' not in arrays or arrays['ids'].ndim != 1:
    raise ValueError('lacks an array `ids` of one dimension')
  names = compact.scalar_names(arrays)
  for i, id_ in enumerate(arrays['ids'].astype(str).tolist()):
    yield id_, {name: float(arrays[name][i]) for name in names}
