"""Crystals of files and folders, parsed in worker processes with limits."""

from __future__ import annotations

import collections
import contextlib
import os
from collections.abc import Iterator, Sequence

from crystal_jax.io.reading import listing, parse, pool
from crystal_jax.io.reading.items import Item, Skip


def read_crystals(
  sources: Sequence[str | os.PathLike[str]],
  *,
  max_atoms: int = 10_000,
  time_limit: float = 30.0,
  workers: int | None = None,
) -> Iterator[parse.Parsed | Skip]:
  """Reads every crystal of files and folders, in order of their names.

      for result in read_crystals(['my_cifs/']):
        if isinstance(result, Skip):
          print(result.file, result.reason)
        else:
          crystal, id_, properties = result

  A file that hangs or crashes its parser, or needs more than 4 GB of memory, is
  skipped alone.

  Args:
    sources: Files and folders, in the formats of `data.prepare`.
    max_atoms: Crystals with more atoms are skipped.
    time_limit: Seconds per item.
    workers: Number of worker processes. None: one per core. 0: this process
      reads, without limits of time and memory.

  Yields:
    Crystal, id and scalars of each crystal; a `Skip` for each item or structure
    that is skipped.

  Raises:
    FileNotFoundError: If one of the sources does not exist.
  """
  listed: collections.deque[Item | Skip] = collections.deque()

  def arguments() -> Iterator[tuple[Item, int]]:
    for item in listing.list_items(sources):
      listed.append(item)
      if isinstance(item, Item):
        yield item, max_atoms

  results = pool.isolated_map(
    _parse,
    arguments(),
    workers=workers,
    time_limit=time_limit,
    memory_limit=pool.MEMORY_LIMIT,
  )
  with contextlib.closing(results):
    for result in results:
      while isinstance(item := listed.popleft(), Skip):
        yield item
      if isinstance(result, pool.Failure):
        yield Skip(item.name, item.id, result.reason)
      else:
        yield from result
  yield from (item for item in listed if isinstance(item, Skip))


def _parse(argument: tuple[Item, int]) -> list[parse.Parsed | Skip]:
  return list(parse.parse(*argument))
