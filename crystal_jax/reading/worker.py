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

from crystal_jax.reading import chunks
from crystal_jax.reading.items import Item, Skip
from crystal_jax.reading.parse import parse


def main() -> None:
  """Works until there are no more lines."""
  # Parsers print; the answers go where they cannot.
  answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w')
  os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
  _limit_memory()
  for line in sys.stdin:
    task = json.loads(line)
    found = []
    for number, fields in enumerate(task['items']):
      item = Item(**fields)
      reason = task['culprits'].get(str(number))
      if reason:
        found.append((item, Skip(item.name, item.id, reason)))
        continue
      print(number, file=answers, flush=True)
      signal.setitimer(signal.ITIMER_REAL, task['time_limit'])
      found += [(item, result) for result in parse(item, task['max_atoms'])]
      signal.setitimer(signal.ITIMER_REAL, 0)
    chunks.save(pathlib.Path(task['target']), found)
    print('done', file=answers, flush=True)


def _limit_memory() -> None:
  """Four gigabytes: one absurd file shall not take the machine down."""
  import resource

  most = 4 << 30
  _, hard = resource.getrlimit(resource.RLIMIT_DATA)
  if hard == resource.RLIM_INFINITY or hard > most:
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


if __name__ == '__main__':
  main()
