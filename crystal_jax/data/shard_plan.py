"""The shards of a data set: which are complete, and which are missing."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterator, Sequence

from crystal_jax.io.reading import shards
from crystal_jax.io.reading.items import Item, Skip

ITEMS_PER_SHARD = 128


@dataclasses.dataclass(frozen=True)
class ShardTask:
  """The items of a shard, and its file."""

  items: Sequence[Item]
  target: pathlib.Path


class ShardPlan:
  """The shards of a data set, complete and missing.

  Attributes:
    files: Files of all shards, in order.
    skipped: Items that were skipped while they were listed.
  """

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

  def tasks(self) -> Iterator[ShardTask]:
    """Missing shards; fills `files` and `skipped`."""
    waiting: list[Item] = []
    for item in self._found:
      if isinstance(item, Skip):
        self._refuse(item)
        self.skipped.append(item)
        continue
      waiting.append(item)
      if len(waiting) == ITEMS_PER_SHARD:
        yield from self._task(waiting)
        waiting = []
    if waiting:
      yield from self._task(waiting)

  def finish(self, task: ShardTask, skipped: Sequence[Skip]) -> None:
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

  def _task(self, batch: list[Item]) -> Iterator[ShardTask]:
    target = self._folder / shards.name(batch, self._max_atoms)
    self.files.append(target)
    task = ShardTask(batch, target)
    if target.exists():
      skipped = shards.load(target).skipped if self._strict else []
      self.finish(task, skipped)
    else:
      yield task

  def _refuse(self, skip: Skip) -> None:
    if self._strict and not skip.is_ignorable:
      raise ValueError(f'{skip.file}: {skip.reason}')
