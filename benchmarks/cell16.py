"""Time of a training step of cell16.py and of encoding by mp_20, two versions.

  python -m benchmarks.cell16 --before=FOLDER

FOLDER is a checkout of another version of this package. Both versions run in
separate processes and take turns, so that other load of the machine affects
both. Printed are medians over the rounds of CPU time (all threads) and wall
time, in milliseconds.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

# Number of crystals encoded, and of steps taken, in a turn.
CRYSTALS, STEPS = 64, 3


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--before', type=pathlib.Path, required=True)
  parser.add_argument('--rounds', type=int, default=15)
  parser.add_argument('--data_dir', default='', help='of prepared data sets')
  args = parser.parse_args()
  after = pathlib.Path(__file__).resolve().parents[1]
  workers = {
    'before': _start(args.before.resolve(), args.data_dir),
    'after': _start(after, args.data_dir),
  }
  times = {
    (name, work): [] for name in workers for work in ('step', 'encoding')
  }
  for _ in range(args.rounds):
    for work in 'step', 'encoding':
      for name, worker in workers.items():
        worker.stdin.write(work + '\n')
        worker.stdin.flush()
        times[name, work].append(
          [*map(float, worker.stdout.readline().split())]
        )
  print('| work | before CPU | after CPU | before wall | after wall |')
  print('|---|---|---|---|---|')
  for work in 'step', 'encoding':
    cells = [
      f'{np.median(np.array(times[name, work])[:, clock]):.1f}'
      for clock in (0, 1)
      for name in ('before', 'after')
    ]
    print(f'| {work} | {" | ".join(cells)} |')
  for worker in workers.values():
    worker.stdin.close()
    worker.wait()


def _start(folder, data_dir) -> subprocess.Popen:
  """A process that measures the version in a folder; ready when it returns."""
  worker = subprocess.Popen(
    [sys.executable, __file__, data_dir],
    cwd=folder,
    env={**os.environ, 'PYTHONPATH': str(folder)},
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  if worker.stdout.readline() != 'ready\n':
    raise SystemExit(f'{folder}: the measured process did not start.')
  return worker


def measure(data_dir: str) -> None:
  """Answers each line of the input with CPU and wall time, ms."""
  works = {'step': _step(data_dir), 'encoding': _encoding()}
  for work in works.values():  # Compiles.
    work()
  print('ready', flush=True)
  for line in sys.stdin:
    cpu, wall = time.process_time(), time.perf_counter()
    count = works[line.strip()]()
    spent = time.process_time() - cpu, time.perf_counter() - wall
    print(*(1e3 * each / count for each in spent), flush=True)


def _step(data_dir):
  """Training steps of cell16.py on the embedded data set."""
  import jax

  from crystal_jax.training import parallel
  from experiments import cell16

  try:
    from crystal_jax.tasks import set_up
  except ImportError:  # Before there were tasks.
    from crystal_jax.training.run import set_up

  config = cell16.get_config()
  config.data.data_dir = data_dir
  config.data.train_split, config.data.heldout_split = 'train[:256]', 'val[:32]'
  run = set_up(config)
  step = parallel.parallel_train_step(run.train_step)
  state = parallel.replicate(run.fresh_state())
  batches = (
    run.train_batches()
    if hasattr(run, 'train_batches')
    else run.batches('train')
  )

  def work():
    nonlocal state
    for _ in range(STEPS):
      state, _ = step(state, next(batches))
    jax.block_until_ready(state)
    return STEPS

  return work


def _encoding():
  """Encoding of held-out crystals of the embedded data set by mp_20."""
  import crystal_jax as cj

  folder = pathlib.Path('datasets', 'oqmd_icsd20', 'data')
  arrays = np.load(folder / 'val.npz', allow_pickle=False)
  codec = cj.Codec.load('mp_20')
  crystals = []
  for i in range(len(arrays['cell'])):
    atoms = slice(*arrays['offsets'][i : i + 2])
    cell = arrays['cell'][i]
    numbers = arrays['numbers'][atoms].astype(np.int32)
    crystals.append(cj.Crystal(numbers, arrays['frac'][atoms] @ cell, cell))
  encoded = codec.encode(crystals[: 4 * CRYSTALS], skip=True)
  valid = np.flatnonzero(np.isfinite(encoded).all(1))[:CRYSTALS]
  chosen = [crystals[i] for i in valid]

  def work():
    codec.encode(chosen)
    return len(chosen)

  return work


if __name__ == '__main__':
  if len(sys.argv) == 2 and not sys.argv[1].startswith('--'):
    measure(sys.argv[1])
  else:
    main()
