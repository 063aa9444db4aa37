"""Random access to the crystals of compact npz files, `<stem>_<split>.npz`.

A compact file holds the atoms of all its crystals one after another; see
`io.reading.compact`.
"""

from __future__ import annotations

import os
import pathlib
import re
import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from crystal_jax.io.reading import compact


def find_files(stem: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
  """Files `<stem>_<split>.npz` by the name of the split; empty if none is."""
  stem = pathlib.Path(stem)
  pattern = re.compile(rf'{re.escape(stem.name)}_([A-Za-z]\w*)\.npz')
  if not stem.name or not stem.parent.is_dir():
    return {}
  files = {}
  for path in sorted(stem.parent.iterdir()):
    if match := pattern.fullmatch(path.name):
      files[match[1]] = path
  return files


class Compact(Sequence[dict[str, Any]]):
  """Records of a split, or of parts of splits, of compact files.

  A record has id (str), numbers [N] int32, positions [N, 3] float32 in Å, cell
  [3, 3] float32 in Å, and the scalars of its file. `arrays` returns all records
  at once, 100,000 a second.
  """

  def __init__(self, files: dict[str, pathlib.Path], split: str):
    """Reads the files of a split.

    Args:
      files: Result of `find_files`.
      split: A split, or parts of splits such as 'train[:100]+val[50%:]'.

    Raises:
      ValueError: If `split` is malformed, or names a split without a file.
    """
    import tensorflow_datasets as tfds

    self._files, self._split = files, split
    # Only the files of splits that `split` names.
    columns = {
      name: compact.read_file(path)
      for name, path in files.items()
      if re.search(rf'(^|\+)\s*{name}\b', split)
    }
    self._names = sorted(columns)
    sizes = {
      name: types.SimpleNamespace(num_examples=len(columns[name]['ids']))
      for name in columns
    }
    try:
      parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(sizes)
    except (ValueError, KeyError) as error:
      raise ValueError(
        f'{", ".join(map(str, files.values()))}: no split {split!r}; give '
        f'parts of {sorted(files)}. {error}'
      ) from error
    self._parts = [
      _cut(columns[part.splitname], part.from_ or 0, part.to) for part in parts
    ]
    self._starts = np.cumsum([0, *(len(part['ids']) for part in self._parts)])

  def __len__(self) -> int:
    return int(self._starts[-1])

  @property
  def files(self) -> list[pathlib.Path]:
    """The compact files of the split."""
    return [self._files[name] for name in self._names]

  def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
    if not -len(self) <= index < len(self):
      raise IndexError(f'{index=} of {len(self)} records of {self}')
    index = index % len(self)
    part_index = int(np.searchsorted(self._starts, index, side='right')) - 1
    part, row = self._parts[part_index], index - int(self._starts[part_index])
    atoms = slice(*part['offsets'][row : row + 2])
    fractional = part['frac'][atoms].astype(np.float64)
    record = {
      'id': str(part['ids'][row]),
      'numbers': part['numbers'][atoms].astype(np.int32),
      'positions': (fractional @ part['cell'][row]).astype(np.float32),
      'cell': part['cell'][row].astype(np.float32),
    }
    scalars = {name: part[name][row] for name in compact.scalar_names(part)}
    return record | scalars

  def __repr__(self) -> str:
    return f'Compact({sorted(map(str, self._files.values()))}, {self._split!r})'

  def __reduce__(self):
    return Compact, (self._files, self._split)

  def arrays(self, max_atoms: int | None = None) -> dict[str, np.ndarray]:
    """All records as padded arrays.

    Args:
      max_atoms: Slots of each crystal; None: as many as the largest needs.

    Returns:
      The arrays of `data.arrays.in_memory`. Scalars that one of the files lacks
      are left out.

    Raises:
      ValueError: If there are no records, or one has more than `max_atoms`
        atoms; the error names it.
    """
    if not len(self):
      raise ValueError(f'{self} has no records.')
    counts = np.concatenate([np.diff(part['offsets']) for part in self._parts])
    ids = np.concatenate([part['ids'] for part in self._parts]).astype(str)
    slots = int(counts.max()) if max_atoms is None else max_atoms
    if counts.max() > slots:
      raise ValueError(
        f'{ids[counts.argmax()]} has {counts.max()} atoms, more than '
        f'{max_atoms=}.'
      )
    numbers, fractional, cell = (
      np.concatenate([part[name] for part in self._parts])
      for name in ('numbers', 'frac', 'cell')
    )
    cell_of_atom = np.repeat(cell.astype(np.float64), counts, axis=0)
    positions = np.einsum(
      'ai,aij->aj', fractional.astype(np.float64), cell_of_atom
    )
    filled = np.arange(slots) < counts[:, None]
    arrays = {
      'numbers': np.zeros(filled.shape, np.int32),
      'positions': np.zeros((*filled.shape, 3), np.float32),
      'cell': cell.astype(np.float32),
      'id': ids,
    }
    arrays['numbers'][filled] = numbers
    arrays['positions'][filled] = positions
    names = set.intersection(
      *(set(compact.scalar_names(part)) for part in self._parts)
    )
    for name in sorted(names):
      arrays[name] = np.concatenate([part[name] for part in self._parts])
    return arrays


def _cut(columns, start, stop):
  """Columns of the crystals from `start` to before `stop` (None: all)."""
  offsets = columns['offsets'].astype(np.int64)
  stop = len(columns['ids']) if stop is None else stop
  first, last = offsets[start], offsets[stop]
  rows = {
    name: columns[name][start:stop]
    for name in ('cell', 'ids', *compact.scalar_names(columns))
  }
  return rows | {
    'numbers': columns['numbers'][first:last],
    'frac': columns['frac'][first:last],
    'offsets': offsets[start : stop + 1] - first,
  }
