"""Any folder of crystal files to a data set that training reads.

  summary = data.prepare(['my_cifs/'], 'data/mine')
  print(summary)

What is read is kept in `.partial` in the output folder until all of it is, so
that a run that was killed goes on where it stopped. Nothing is written anywhere
else.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence

from crystal_jax.data import assembling, prepared, splits
from crystal_jax.data.summary import Summary
from crystal_jax.io.reading import items, pool, shards
from crystal_jax.io.reading.items import Item, Skip

_CHUNK = 128  # Items a task.
_PARTIAL = '.partial'

Path = str | os.PathLike[str]


def prepare(
  sources: Sequence[Path],
  out: Path,
  *,
  properties: Path | None = None,
  split: str = 'formula',
  fractions: Sequence[float] = (0.8, 0.1, 0.1),
  max_atoms: int = 1000,
  time_limit: float = 10.0,
  workers: int | None = None,
  strict: bool = False,
  progress: Callable[[int], None] = lambda count: None,
) -> Summary:
  """Reads crystals and writes them as a data set.

  Args:
    sources: Files and folders (with all folders in them): CIF, POSCAR*,
      CONTCAR*, *.vasp, extxyz, ASE databases, CSV with a column `cif`, compact
      npz.
    out: Folder of the data set; `load_split(out, 'train')` reads it.
    properties: A CSV with a column `id` (or the ids first); its numbers are
      added to the crystals'.
    split: 'formula', 'file' (train.csv, val.csv ..), or the property that
      names each crystal's split.
    fractions: Shares of train, val and test, by formula.
    max_atoms: Crystals with more atoms are skipped.
    time_limit: Seconds that one file may take.
    workers: Processes; None: one a core; 0: this one does it, without a time
      limit.
    strict: Whether to stop at the first crystal that would be skipped.
    progress: Called with the number of files and rows that were just read.

  Returns:
    What was read and what was not; also in summary.json and skipped.csv there.

  Raises:
    FileNotFoundError: If a source does not exist.
    ValueError: If nothing can be read, an option makes no sense, `out` holds
      something else, or, under `strict`, something would be skipped.
    OSError: If `out` cannot be written.
  """
  out = pathlib.Path(out)
  splits.by_formula((), fractions)
  if time_limit <= 0 or max_atoms < 1:
    raise ValueError(f'Need a positive {time_limit=} and {max_atoms=}.')
  if workers is not None and workers < 0:
    raise ValueError(f'Need {workers=} of 0 or more.')
  table = {} if properties is None else _read_table(properties)
  ignored = {os.path.realpath(p) for p in (out, properties) if p is not None}
  found = items.find(sources, ignored)
  with _claim(out) as partial:
    plan = _Plan(found, partial, max_atoms, strict, progress)
    options = repr((table, split, tuple(fractions)))
    if prepared.is_prepared(out):
      return _known(out, plan.key(options))
    pool.read(
      plan.tasks(),
      workers=os.cpu_count() or 1 if workers is None else workers,
      time_limit=time_limit,
      max_atoms=max_atoms,
      progress=plan.finish,
    )
    summary = assembling.assemble(
      out,
      partial / 'data_set',
      plan.files,
      plan.skipped,
      table=table,
      split=split,
      fractions=fractions,
      key=plan.key(options),
    )
    shutil.rmtree(partial)
  return summary


class _Plan:
  """Which chunks there are, and which of them are still to be read."""

  def __init__(self, found, folder, max_atoms, strict, progress):
    self._found, self._folder, self._max_atoms = found, folder, max_atoms
    self._strict, self._progress = strict, progress
    self.files: list[pathlib.Path] = []
    self.skipped: list[Skip] = []

  def tasks(self) -> Iterator[pool.Task]:
    """What is still to be read; notes all else on the way."""
    waiting = []
    for item in self._found:
      if isinstance(item, Skip):
        self._refuse(item)
        self.skipped.append(item)
        continue
      waiting.append(item)
      if len(waiting) == _CHUNK:
        yield from self._task(waiting)
        waiting = []
    if waiting:
      yield from self._task(waiting)

  def finish(self, task: pool.Task) -> bool:
    """Called when a task is done; whether to go on."""
    self._progress(len(task.items))
    if self._strict:
      for skip in shards.load(task.target).skipped:
        self._refuse(skip)
    return True

  def key(self, options: str) -> str:
    """Of all that goes into the data set."""
    for _ in self.tasks():  # What was not listed yet.
      pass
    names = [file.name for file in self.files]
    text = f'{options} {names} {self.skipped}'
    return hashlib.sha256(text.encode()).hexdigest()

  def _task(self, some: list[Item]) -> Iterator[pool.Task]:
    target = self._folder / shards.name(some, self._max_atoms)
    self.files.append(target)
    task = pool.Task(some, target)
    if target.exists():
      self.finish(task)
    else:
      yield task

  def _refuse(self, skip: Skip) -> None:
    if self._strict and not skip.other:
      raise ValueError(f'{skip.file}: {skip.reason}')


@contextlib.contextmanager
def _claim(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """The folder for what is not complete, which no other process may use.

  Raises:
    ValueError: If `out` is a file or holds something else, or another process
      is at work on it.
  """
  partial = out / _PARTIAL
  if out.exists() and not out.is_dir():
    raise ValueError(f'{out} is a file; give a folder that can be made.')
  ours = prepared.is_prepared(out) or partial.is_dir()
  if out.is_dir() and not ours and any(out.iterdir()):
    raise ValueError(
      f'{out} holds files that are no prepared data set; give another folder.'
    )
  partial.mkdir(parents=True, exist_ok=True)
  with (partial / 'lock').open('w') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise ValueError(
        f'{out} is being prepared by another process.'
      ) from error
    yield partial


def _known(out: pathlib.Path, key: str) -> Summary:
  """The summary of what is prepared already, if it is the same."""
  shutil.rmtree(out / _PARTIAL)
  summary = Summary.load(out / 'summary.json')
  if summary.key != key:
    raise ValueError(
      f'{out} was prepared from other files or with other options; give '
      'another folder, or delete it.'
    )
  return summary


def _read_table(path: Path) -> dict[str, dict[str, float | str]]:
  """Properties by id.

  Raises:
    ValueError: If the table cannot be read, is empty, or an id is there twice.
  """
  table = {}
  try:
    for number, row in items.table_rows(os.fspath(path)):
      id_ = items.row_id(row)
      if id_ in table:
        raise ValueError(f'id {id_!r} is there twice (row {number})')
      table[id_] = items.scalars(row)
  except (ValueError, csv.Error) as error:
    raise ValueError(f'{path}: {error}') from error
  if not table:
    raise ValueError(f'{path}: holds no rows.')
  return table
