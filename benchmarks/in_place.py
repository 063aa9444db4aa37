"""Memory of training on a data set in memory or memory-mapped; a row a run.

python -m benchmarks.in_place --count=20000 --storage=in_place
python -m benchmarks.in_place --count=20000 --storage=memory

Generated structures, prepared as inputs of `experiments/cell16.py`. The
memory is that of this process without mapped files, which the system can
reclaim, and without that after the imports.
"""

import argparse
import pathlib
import re
import tempfile
import time

from benchmarks import prepare_scale
from crystal_jax import data, tasks
from experiments import cell16


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--count', type=int, default=20000)
  parser.add_argument(
    '--storage', choices=['in_place', 'memory'], required=True
  )
  args = parser.parse_args()
  config = cell16.get_config()
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    prepare_scale.write(folder / 'in.jsonl', args.count)
    data.prepare([folder / 'in.jsonl'], folder / 'set')
    config.data.builder = str(folder / 'set')
    before, times = own_memory(), []
    if args.storage == 'in_place':
      config.data.in_place = str(folder / 'inputs')
    # Twice: the first run writes the file.
    for _ in range(1 + (args.storage == 'in_place')):
      start = time.perf_counter()
      run = tasks.set_up(config)
      times.append(time.perf_counter() - start)
    loaded = own_memory() - before
    size = config.train.batch_size
    epoch = len(run.arrays['train']['numbers']) // size
    batches = run.train_batches()
    start = time.perf_counter()
    for _ in range(2 * epoch):
      next(batches)
    seconds = time.perf_counter() - start
    grown = own_memory() - before
  print(
    f'| {args.storage} | {args.count} | {times[0]:.0f} s | {times[-1]:.1f} s | '
    f'{loaded:.0f} MB | {grown:.0f} MB | {2 * epoch * size / seconds:.0f} |'
  )


def own_memory() -> float:
  """Anonymous memory of this process, MB."""
  text = pathlib.Path('/proc/self/status').read_text()
  return int(re.search(r'RssAnon:\s+(\d+)', text).group(1)) / 1024


if __name__ == '__main__':
  main()
