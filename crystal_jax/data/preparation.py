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
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence

from crystal_jax.data import shard_assembly, shard_plan, splits, tfds_folder
from crystal_jax.data.property_table import read_property_table
from crystal_jax.data.shard_plan import ShardPlan, ShardTask
from crystal_jax.data.summary import Summary
from crystal_jax.io import file_lock
from crystal_jax.io.reading import listing, pool, shards
from crystal_jax.io.reading.items import Item

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
    sources: Files and folders, searched recursively: CIF, *POSCAR*, *CONTCAR*,
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
  table = {} if properties is None else read_property_table(properties)
  ignored = {os.path.realpath(p) for p in (out, properties) if p is not None}
  found = listing.list_items(sources, ignored)
  with _locked(out) as partial:
    plan = ShardPlan(found, partial, max_atoms, strict, progress)
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
  plan: ShardPlan, max_atoms: int, time_limit: float, workers: int | None
) -> None:
  """Reads and saves the missing shards."""
  waiting: collections.deque[ShardTask] = collections.deque()

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
    while shard := list(itertools.islice(results, shard_plan.ITEMS_PER_SHARD)):
      task = waiting.popleft()
      skipped = shards.save(task.target, task.items, shard)
      plan.finish(task, skipped)


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
  with contextlib.ExitStack() as stack:
    try:
      stack.enter_context(file_lock.locked(partial / 'lock', wait=False))
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
