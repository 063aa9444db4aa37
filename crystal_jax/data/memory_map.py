"""Memory-mapped training inputs, for data sets larger than memory.

The inputs of each crystal are one fixed-size record of an .npy file. The file
is memory-mapped: a batch reads the records it needs, and no process holds the
data set. A digest of the inputs and options names the file, so that a later run
finds it; an interrupted run continues at the first missing part.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from crystal_jax.data.arrays import Arrays
from crystal_jax.data.memory_map_parts import Part, write_parts
from crystal_jax.data.mixing import mixed_rows
from crystal_jax.data.selection import (
  EMPTY,
  Dropped,
  Path,
  Prepare,
  check_columns,
  log_left_out,
)
from crystal_jax.data.sources import load_splits
from crystal_jax.io import file_lock

_log = logging.getLogger(__name__)

_VERSION = 1
# Number of crystals of a part of the file.
_PART_SIZE = 1024


def load_in_place(
  folder: Path,
  builder: str,
  split: str,
  prepare: Prepare,
  *,
  key: str,
  max_atoms: int,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
  columns: Sequence[str] = (),
  weights: Sequence[float] = (),
  workers: int | None = None,
  **rules: Any,
) -> tuple[Arrays, Dropped]:
  """As `load_inputs`, without the column 'row', from a memory-mapped file.

  Args:
    folder: Folder of the file. Processes may share it: one writes the file, the
      others wait.
    builder: As for `load`.
    split: As for `load`.
    prepare: As for `load_inputs`, picklable. Its columns must be the same for
      all data sets.
    key: Identifies `prepare`; a new key makes a new file.
    max_atoms: Maximum number of atoms of a crystal.
    data_dir: As for `load`.
    manual_dir: As for `load`.
    columns: As for `load_inputs`.
    weights: As for `load`; repeated crystals are repeated in the file.
    workers: Number of processes that write the parts. None: one per core. 0:
      this process writes them.
    **rules: See `filter_crystals`.

  Returns:
    The columns, mapped read-only, and (id, reason) of dropped crystals.

  Raises:
    ValueError: As `load_inputs`.
  """
  folders = data_dir, manual_dir
  sources = load_splits(builder, split, *folders)
  check_columns(columns, sources)
  names = [name.strip() for name in builder.split(',')]
  rules = {'max_atoms': max_atoms, **rules}
  options = (
    _VERSION, split, key, *([tuple(columns)] if columns else []),
    tuple(weights), sorted(rules.items()),
  )  # fmt: skip
  path = pathlib.Path(folder) / f'{_digest(options, sources)}.npy'
  path.parent.mkdir(parents=True, exist_ok=True)
  with file_lock.locked(path.with_suffix('.lock')):
    if not path.exists():
      parts = [
        Part(
          (name, split, *folders), start, min(start + _PART_SIZE, len(source)),
          path.with_suffix('.parts'), prepare, tuple(columns), rules, index,
        )
        for index, (name, source) in enumerate(zip(names, sources, strict=True))
        for start in range(0, len(source), _PART_SIZE)
      ]  # fmt: skip
      _log.info('Writing %d parts of %s to %s.', len(parts), split, path)
      write_parts(parts, os.cpu_count() or 1 if workers is None else workers)
      _join(path, parts, len(sources), weights)
  text = path.with_suffix('.json').read_text(encoding='utf-8')
  counts = json.loads(text)
  log_left_out(counts['left_out'], sum(map(len, sources)))
  dropped = [(id_, reason) for id_, reason in counts['dropped']]
  return (_open(path) if counts['crystals'] else EMPTY), dropped


def _join(path, parts: Sequence[Part], num_sets: int, weights) -> None:
  """Joins the parts; a JSON file beside them lists dropped crystals."""
  counts = [int(part.read('count')) for part in parts]
  sizes = [0] * num_sets
  left_out: dict[str, int] = {}
  dropped, kinds = [], []
  for part, count in zip(parts, counts, strict=True):
    sizes[part.set_index] += count
    text = json.loads(str(part.read('text')))
    dropped += text['dropped']
    for rule, number in text['left_out'].items():
      left_out[rule] = left_out.get(rule, 0) + number
    kinds += [part.read('records').dtype] if count else []
  mixed = num_sets > 1 or weights
  rows = mixed_rows(sizes, weights) if mixed else [np.arange(sizes[0])]
  total = sum(map(len, rows))
  partial = path.with_suffix('.partial')  # Under the lock.
  if total:
    joined = np.lib.format.open_memmap(
      partial, 'w+', functools.reduce(np.promote_types, set(kinds)), (total,)
    )
    end, starts = 0, [0] * num_sets
    for part, count in zip(parts, counts, strict=True):
      start = starts[part.set_index]
      starts[part.set_index] += count
      wanted = rows[part.set_index]
      first, last = np.searchsorted(wanted, [start, start + count])
      if last > first:
        records = part.read('records')[wanted[first:last] - start]
        joined[end : end + len(records)] = records
        end += len(records)
    joined.flush()
    del joined
  else:
    partial.touch()
  text = json.dumps(
    {'crystals': total, 'left_out': left_out, 'dropped': dropped}
  )
  path.with_suffix('.json').write_text(text, encoding='utf-8')
  os.replace(partial, path)
  shutil.rmtree(path.with_suffix('.parts'), ignore_errors=True)


def _open(path: pathlib.Path) -> Arrays:
  records = np.load(path, mmap_mode='r').view(np.ndarray)
  return {name: records[name] for name in records.dtype.names}


def _digest(options: Any, sources: Sequence[Any]) -> str:
  """Digest of the options and of the source files' sizes and times."""
  state = []
  for source in sources:
    for file in getattr(source, 'files', ()):
      stat = os.stat(file)
      state.append((os.path.realpath(file), stat.st_size, stat.st_mtime_ns))
  text = repr((options, state)).encode()
  return hashlib.sha256(text).hexdigest()[:32]
