"""Preparation of a data set from folders of crystal files.

  summary = data.prepare(['my_cifs/'], 'data/mine')
  print(summary)

Shards of crystals collect in `.partial` in the output folder, so that an
interrupted run continues with the first missing shard. Nothing is written
outside the output folder.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import fcntl
import hashlib
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from crystal_jax.data import shard_assembly, splits, tfds_folder
from crystal_jax.data.summary import Summary
from crystal_jax.io.reading import compact, items, pool, shards
from crystal_jax.io.reading.items import Item, Skip

_ITEMS = 128  # Items per shard.
_PARTIAL = '.partial'

Path = str | os.PathLike[str]


def prepare(
  sources: Sequence[Path],
  out: Path,
  *,
  properties: Path | None = None,
  split: str = 'formula',
  fractions: Sequence[float] = splits.DEFAULT_FRACTIONS,
  max_atoms: int = 1000,
  time_limit: float = 10.0,
  workers: int | None = None,
  strict: bool = False,
  progress: Callable[[int], None] = lambda count: None,
) -> Summary:
  """Reads crystals from files and writes them as a TFDS data set.

  Args:
    sources: Files and folders, searched recursively: CIF, POSCAR*, CONTCAR*,
      *.vasp, SHELX, PDB, extxyz, ASE databases, CSV with a column `cif`,
      compact npz.
    out: Folder of the data set; read it with `load_split(out, 'train')`.
    properties: Scalars of the crystals by id: a CSV with a column `id` (else
      its first column holds the ids), or an npz with an array `ids` and an
      array for each scalar.
    split: 'formula', 'file' (train.csv, val.csv, ..), or the property that
      names each crystal's split.
    fractions: Shares of train, val and test, by formula.
    max_atoms: Crystals with more atoms are skipped.
    time_limit: Seconds per file.
    workers: Number of worker processes. None: one per core. 0: this process
      reads, without limits of time and memory.
    strict: Whether to raise at the first crystal that would be skipped.
    progress: Called after each shard with the number of its items (files, or
      rows of a table).

  Returns:
    Counts of crystals and skips; `out` holds them in summary.json, and each
    skip in skipped.csv.

  Raises:
    FileNotFoundError: If a source does not exist.
    ValueError: If no crystal can be read, an option is out of range, `out`
      holds other files, or, under `strict`, a crystal would be skipped.
    OSError: If `out` cannot be written.
  """
  out = pathlib.Path(out)
  splits.check_fractions(fractions)
  if time_limit <= 0 or max_atoms < 1:
    raise ValueError(f'Need a positive {time_limit=} and {max_atoms=}.')
  if workers is not None and workers < 0:
    raise ValueError(f'Need {workers=} of 0 or more.')
  table = {} if properties is None else _read_table(properties)
  ignored = {os.path.realpath(p) for p in (out, properties) if p is not None}
  found = items.find(sources, ignored)
  with _locked(out) as partial:
    plan = _Plan(found, partial, max_atoms, strict, progress)
    options = repr((table, split, tuple(fractions)))
    if tfds_folder.is_prepared(out):
      return _load_summary(out, plan.key(options))
    _read(plan, max_atoms, time_limit, workers)
    summary = shard_assembly.assemble(
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


def _read(
  plan: _Plan, max_atoms: int, time_limit: float, workers: int | None
) -> None:
  """Reads and saves the missing shards."""
  waiting: collections.deque[_Task] = collections.deque()

  def arguments() -> Iterator[tuple[Item, int]]:
    for task in plan.tasks():
      waiting.append(task)
      yield from ((item, max_atoms) for item in task.items)

  results = pool.isolated_map(
    shards.read_item,
    arguments(),
    workers=workers,
    time_limit=time_limit,
    memory_limit=pool.MEMORY_LIMIT,
  )
  with contextlib.closing(results):
    while shard := list(itertools.islice(results, _ITEMS)):
      task = waiting.popleft()
      skipped = shards.save(task.target, task.items, shard)
      plan.finish(task, skipped)


@dataclasses.dataclass(frozen=True)
class _Task:
  """The items of a shard, and its file."""

  items: Sequence[Item]
  target: pathlib.Path


class _Plan:
  """The shards of a data set, complete and missing."""

  def __init__(
    self,
    found: Iterator[Item | Skip],
    folder: pathlib.Path,
    max_atoms: int,
    strict: bool,
    progress: Callable[[int], None],
  ):
    self._found, self._folder, self._max_atoms = found, folder, max_atoms
    self._strict, self._progress = strict, progress
    self.files: list[pathlib.Path] = []
    self.skipped: list[Skip] = []

  def tasks(self) -> Iterator[_Task]:
    """Missing shards; fills `files` and `skipped`."""
    waiting: list[Item] = []
    for item in self._found:
      if isinstance(item, Skip):
        self._refuse(item)
        self.skipped.append(item)
        continue
      waiting.append(item)
      if len(waiting) == _ITEMS:
        yield from self._task(waiting)
        waiting = []
    if waiting:
      yield from self._task(waiting)

  def finish(self, task: _Task, skipped: Sequence[Skip]) -> None:
    """Reports a complete shard."""
    self._progress(len(task.items))
    for skip in skipped:
      self._refuse(skip)

  def key(self, options: str) -> str:
    """Digest of the input files and the options."""
    for _ in self.tasks():  # Completes `files`.
      pass
    names = [file.name for file in self.files]
    text = f'{options} {names} {self.skipped}'
    return hashlib.sha256(text.encode()).hexdigest()

  def _task(self, batch: list[Item]) -> Iterator[_Task]:
    target = self._folder / shards.name(batch, self._max_atoms)
    self.files.append(target)
    task = _Task(batch, target)
    if target.exists():
      skipped = shards.load(target).skipped if self._strict else []
      self.finish(task, skipped)
    else:
      yield task

  def _refuse(self, skip: Skip) -> None:
    if self._strict and not skip.is_ignorable:
      raise ValueError(f'{skip.file}: {skip.reason}')


@contextlib.contextmanager
def _locked(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """Exclusive lock of `out`; yields the folder of its shards.

  Raises:
    ValueError: If `out` is a file or holds other files, or another process
      prepares it.
  """
  partial = out / _PARTIAL
  if out.exists() and not out.is_dir():
    raise ValueError(f'{out} is a file; give the name of a folder.')
  ours = tfds_folder.is_prepared(out) or partial.is_dir()
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


def _load_summary(out: pathlib.Path, key: str) -> Summary:
  """The summary of a complete data set.

  Raises:
    ValueError: If its files or options differ.
  """
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
    ValueError: If the table cannot be read, is empty, or repeats an id.
  """
  table: dict[str, dict[str, float | str]] = {}
  try:
    for number, (id_, row) in enumerate(_table_rows(os.fspath(path))):
      if id_ in table:
        raise ValueError(f'row {number} repeats the id {id_!r}')
      table[id_] = items.scalars(row)
  except (ValueError, csv.Error) as error:
    raise ValueError(f'{path}: {error}') from error
  if not table:
    raise ValueError(f'{path}: holds no rows.')
  return table


def _table_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
  """Ids and values of the rows of a CSV or npz."""
  if not path.endswith('.npz'):
    for _, row in items.table_rows(path):
      yield items.row_id(row), row
    return
  arrays = compact.read_arrays(path)
  if 'ids' not in arrays or arrays['ids'].ndim != 1:
    raise ValueError('lacks an array `ids` of one dimension')
  names = compact.scalar_names(arrays)
  for i, id_ in enumerate(arrays['ids'].astype(str).tolist()):
    yield id_, {name: float(arrays[name][i]) for name in names}
