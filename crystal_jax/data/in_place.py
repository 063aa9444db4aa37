"""Sets too large for memory: made ready once, in parts, then read from a file.

Every crystal that is used, as it is shown to a model, is a record of fixed size
of one .npy file. The file is mapped: a batch reads the records it needs, no
process holds the set, and what memory is free keeps what was read. The file is
named by all that went into it, so that a later run finds it; a run that dies
while it is made goes on where it was.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import logging
import multiprocessing
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crystal_jax.data.arrays import Arrays, stack
from crystal_jax.data.mixing import mixed_rows
from crystal_jax.data.selection import (
  NOTHING,
  Dropped,
  Path,
  Prepare,
  passing,
  say_left_out,
)
from crystal_jax.data.sources import load_split, load_splits

_log = logging.getLogger(__name__)

_VERSION = 1
_PART = 1024  # Crystals that a worker makes ready together.


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
  weights: Sequence[float] = (),
  workers: int | None = None,
  **rules: Any,
) -> tuple[Arrays, Dropped]:
  """What `load_shown` gives, but for 'row', from a file.

  Args:
    folder: Where the file is made, and found again. It may be shared: one
      process makes it, the others wait.
    builder: As of `load`.
    split: As of `load`.
    prepare: As of `load_shown`; it is pickled. Of several sets the columns have
      to be the same.
    key: Tells it from others; the file is made anew when it changes.
    max_atoms: Crystals with more are left out.
    data_dir: As of `load`.
    manual_dir: As of `load`.
    weights: Of several sets; those that are small for their share are repeated
      in the file.
    workers: Processes that make it; None: one a core; 0: this one.
    **rules: See `passing`.

  Returns:
    The columns, mapped read-only, and what `prepare` dropped.
  """
  places = data_dir, manual_dir
  sources = load_splits(builder, split, *places)
  names = [name.strip() for name in builder.split(',')]
  rules = {'max_atoms': max_atoms, **rules}
  made_of = (_VERSION, split, key, tuple(weights), sorted(rules.items()))
  path = pathlib.Path(folder) / f'{_digest(made_of, sources)}.npy'
  path.parent.mkdir(parents=True, exist_ok=True)
  with _alone(path):
    if not path.exists():
      parts = [
        _Part(
          (name, split, *places), start, path.with_suffix('.parts'), prepare,
          rules, which,
        )
        for which, (name, source) in enumerate(zip(names, sources, strict=True))
        for start in range(0, len(source), _PART)
      ]  # fmt: skip
      _log.info('Making %d parts of %s ready in %s.', len(parts), split, path)
      _make(parts, os.cpu_count() or 1 if workers is None else workers)
      _join(path, parts, len(sources), weights)
  known = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
  say_left_out(known['left_out'], sum(map(len, sources)))
  dropped = [tuple(pair) for pair in known['dropped']]
  return (_open(path) if known['crystals'] else NOTHING), dropped


@dataclasses.dataclass(frozen=True)
class _Part:
  """Some crystals of a source, and the file that they become."""

  opened: tuple
  start: int
  folder: pathlib.Path
  prepare: Prepare
  rules: dict[str, Any]
  which: int  # Of several sets.

  @property
  def path(self) -> pathlib.Path:
    return self.folder / f'{self.which}_{self.start}.npz'

  def make(self) -> None:
    """Writes the file, whole or not at all."""
    if self.path.exists():
      return
    source = _source(*self.opened)
    stop = min(self.start + _PART, len(source))
    raw = stack([source[i] for i in range(self.start, stop)])
    arrays, left_out = passing(raw, **self.rules)
    dropped = []
    if len(arrays['numbers']):
      arrays, dropped = self.prepare(arrays)
    columns = {name: c for name, c in arrays.items() if name != 'row'}
    partial = self.path.with_suffix(f'.{os.getpid()}.partial')
    with partial.open('wb') as file:
      np.savez(
        file,
        count=len(arrays['numbers']),
        said=json.dumps({'left_out': left_out, 'dropped': dropped}),
        records=_records(columns) if len(arrays['numbers']) else 0,
      )
    os.replace(partial, self.path)

  def read(self, name: str) -> np.ndarray:
    """One of the arrays in the file."""
    with np.load(self.path, allow_pickle=False) as file:
      return file[name]


@functools.lru_cache(maxsize=4)
def _source(*opened):
  return load_split(*opened)


def _records(columns: Arrays) -> np.ndarray:
  """Columns as one array of records."""
  kind = [(name, c.dtype, c.shape[1:]) for name, c in columns.items()]
  records = np.empty(len(columns['numbers']), kind)
  for name, column in columns.items():
    records[name] = column
  return records


def _make(parts: Sequence[_Part], workers: int) -> None:
  import tqdm

  if not parts:
    return
  parts[0].folder.mkdir(exist_ok=True)
  with contextlib.ExitStack() as stack_:
    done = map(_Part.make, parts)
    if workers > 1 and len(parts) > 1:
      pool = concurrent.futures.ProcessPoolExecutor(
        # Not forked: JAX has threads, which a fork would lose.
        min(workers, len(parts)),
        multiprocessing.get_context('spawn'),
        _without_accelerator,
      )
      done = stack_.enter_context(pool).map(_Part.make, parts)
    quiet = not sys.stderr.isatty()
    for _ in tqdm.tqdm(done, total=len(parts), unit=' parts', disable=quiet):
      pass


def _without_accelerator() -> None:
  """The accelerators are the training's."""
  import jax

  jax.config.update('jax_platforms', 'cpu')


def _join(path, parts: Sequence[_Part], num_sets: int, weights) -> None:
  """All parts as one file, and beside it what is not in it."""
  counts = [int(part.read('count')) for part in parts]
  sizes = [0] * num_sets
  left_out, dropped, kinds = {}, [], []
  for part, count in zip(parts, counts, strict=True):
    sizes[part.which] += count
    said = json.loads(str(part.read('said')))
    dropped += said['dropped']
    for rule, number in said['left_out'].items():
      left_out[rule] = left_out.get(rule, 0) + number
    kinds += [part.read('records').dtype] if count else []
  mixed = num_sets > 1 or weights
  rows = mixed_rows(sizes, weights) if mixed else [np.arange(sizes[0])]
  total = sum(map(len, rows))
  partial = path.with_suffix('.partial')
  if total:
    joined = np.lib.format.open_memmap(
      partial, 'w+', functools.reduce(np.promote_types, set(kinds)), (total,)
    )
    place, starts = 0, [0] * num_sets
    for part, count in zip(parts, counts, strict=True):
      start = starts[part.which]
      starts[part.which] += count
      wanted = rows[part.which]
      first, last = np.searchsorted(wanted, [start, start + count])
      if last > first:
        some = part.read('records')[wanted[first:last] - start]
        joined[place : place + len(some)] = some
        place += len(some)
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


@contextlib.contextmanager
def _alone(path: pathlib.Path) -> Iterator[None]:
  """While one process is inside, others wait."""
  with path.with_suffix('.lock').open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def _digest(made_of: Any, sources: Sequence[Any]) -> str:
  """Changes with the options and with the files that are read."""
  state = []
  for source in sources:
    for file in getattr(source, 'files', ()):
      stat = os.stat(file)
      state.append((os.path.realpath(file), stat.st_size, stat.st_mtime_ns))
  text = repr((made_of, state)).encode()
  return hashlib.sha256(text).hexdigest()[:32]
