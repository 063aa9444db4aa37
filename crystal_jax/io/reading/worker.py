"""A process that reads items; `pool` starts it and feeds it, a line a task.

A task is a line of JSON: the file to write, the items, and those not to try
again. Before each item its number is printed, so that if this process dies the
culprit is known. It dies by an alarm when one item takes too long, also where
no Python code runs that could notice.
"""

import json
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from crystal_jax.io.reading import shards
from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.parse import parse


def main() -> None:
  """Works until there are no more lines."""
  # Parsers print; the answers go where they cannot.
  answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w')
  os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
  _limit_memory()
  for line in sys.stdin:
    task = json.loads(line)

    def begin(number, seconds=task['time_limit']):
      print(number, file=answers, flush=True)
      signal.setitimer(signal.ITIMER_REAL, seconds)

    read(
      [Item(**fields) for fields in task['items']],
      pathlib.Path(task['target']),
      max_atoms=task['max_atoms'],
      culprits={int(n): why for n, why in task['culprits'].items()},
      begin=begin,
      end=lambda: signal.setitimer(signal.ITIMER_REAL, 0),
    )
    print('done', file=answers, flush=True)


def read(
  items: Sequence[Item],
  target: pathlib.Path,
  *,
  max_atoms: int,
  culprits: Mapping[int, str],
  begin: Callable[[int], None],
  end: Callable[[], None],
) -> None:
  """Reads items and writes what came of them.

  Args:
    items: The items.
    target: The file to write.
    max_atoms: Crystals with more atoms are skipped.
    culprits: Items not to try, by number, and the reason to give.
    begin: Called with an item's number before it is read.
    end: Called after each.
  """
  found = []
  for number, item in enumerate(items):
    if number in culprits:
      found.append((item, Skip(item.name, item.id, culprits[number])))
      continue
    begin(number)
    found += [(item, result) for result in parse(item, max_atoms)]
    end()
  shards.save(target, found)


def _limit_memory() -> None:
  """Four gigabytes: one absurd file shall not take the machine down."""
  import resource

  most = 4 << 30
  _, hard = resource.getrlimit(resource.RLIMIT_DATA)
  if hard == resource.RLIM_INFINITY or hard > most:
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


if __name__ == '__main__':
  main()
