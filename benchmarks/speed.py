"""Times of encoding, decoding and training by two versions of the package.

  python -m benchmarks.speed --before=FOLDER
  python -m benchmarks.speed --before=FOLDER --works=encode,decode

FOLDER is a checkout of another version. Each version runs in a process of its
own, and the two take turns, so that other load of the machine affects both.

A work is what is timed, such as the encoding of a crystal. The table has the
CPU time (all threads) and the wall time of each work, ms, and the ratio of the
CPU times. Times are the smallest of several rounds, since other processes only
add to them. On a machine with other load only CPU times can be compared.

Crystals are held-out ones of the data set that comes with the repository. The
work `first` is a fresh process that imports the package, loads mp_20, encodes
one crystal and decodes it; `first cached` is the same with JAX's persistent
compilation cache filled.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

# Works that a process repeats, by name; times are those of one.
WORKS = {
  'frame': 'standard frame of a crystal',
  'encode': 'encoding of a crystal by mp_20',
  'decode': 'decoding of a latent, refine=none',
  'auto': 'decoding of a latent, refine=auto',
  'all': 'decoding of a latent, refine=all',
  'box': 'decoding of a latent of box30, refine=auto',
  'step': 'training step of cell16.py, batch of 32',
}
# Works of a process that ends after one.
FRESH = {
  'first': 'fresh process: first encoding and decoding',
  'first cached': 'the same with a filled compilation cache',
}
# Number of crystals that each work is timed with at once.
CRYSTALS = {'frame': 128, 'encode': 128, 'decode': 64, 'auto': 32, 'all': 16}
BOX_CRYSTALS = 4
# Number of training steps that are timed at once.
STEPS = 3


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--before', type=pathlib.Path, required=True)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--works', default=','.join([*WORKS, *FRESH]))
  args = parser.parse_args()
  works = args.works.split(',')
  unknown = sorted({*works} - {*WORKS, *FRESH})
  if unknown:
    raise SystemExit(f'No work {unknown}; there are {[*WORKS, *FRESH]}.')
  folders = {
    'before': args.before.resolve(),
    'after': pathlib.Path(__file__).resolve().parents[1],
  }
  print('| work | before CPU ms | after CPU ms | ratio | before wall | after |')
  print('|---|---|---|---|---|---|')
  for work in works:
    measure_times = fresh_times if work in FRESH else alternating_times
    times = measure_times(folders, work, args.rounds)
    before, after = (times[name].min(axis=0) for name in folders)
    print(
      f'| {(WORKS | FRESH)[work]} | {before[0]:.3g} | {after[0]:.3g} | '
      f'{before[0] / after[0]:.2f} | {before[1]:.3g} | {after[1]:.3g} |',
      flush=True,
    )


def alternating_times(folders, work, rounds) -> dict[str, np.ndarray]:
  """Times of a work by processes that take turns.

  Args:
    folders: Folder of each version, by name.
    work: One of `WORKS`.
    rounds: Number of turns of each version.

  Returns:
    CPU and wall time of each round, ms, by version, [rounds, 2].
  """
  workers = {name: _start(folder, work) for name, folder in folders.items()}
  times: dict[str, list[list[float]]] = {name: [] for name in folders}
  for _ in range(rounds):
    for name, worker in workers.items():
      worker.stdin.write('go\n')
      worker.stdin.flush()
      times[name].append([*map(float, worker.stdout.readline().split())])
  for worker in workers.values():
    worker.communicate()  # Closes both pipes.
  return {name: np.array(values) for name, values in times.items()}


def fresh_times(folders, work, rounds) -> dict[str, np.ndarray]:
  """Times of a work, one of `FRESH`, by a new process each time.

  The same as `alternating_times` otherwise; at most two rounds, which are slow.
  """
  times = {}
  for name, folder in folders.items():
    with tempfile.TemporaryDirectory() as cache:
      cached = work == 'first cached'
      environment = {'JAX_COMPILATION_CACHE_DIR': cache} if cached else {}
      runs = [
        _start(folder, 'first', environment, until='').communicate()[0].split()
        for _ in range(min(rounds, 2) + cached)
      ]
    times[name] = np.array(runs[cached:], float)
  return times


def _start(folder, work, environment=None, until='ready\n'):
  """Starts a process that measures the version in a folder.

  Args:
    folder: The folder.
    work: The work to measure.
    environment: Environment variables to add.
    until: Line that the process prints when it is ready; '': do not wait.
  """
  inherited = {k: v for k, v in os.environ.items() if 'CACHE_DIR' not in k}
  worker = subprocess.Popen(
    [sys.executable, __file__, work],
    cwd=folder,
    env={**inherited, 'PYTHONPATH': str(folder), **(environment or {})},
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  if until and worker.stdout.readline() != until:
    raise SystemExit(f'{folder}: the process that measures did not start.')
  return worker


def measure(work: str) -> None:
  """Prints CPU and wall time, ms, for each line of the input."""
  if work == 'first':
    from ase.build import bulk

    codec = _codec('mp_20')
    codec.decode(codec.encode(bulk('NaCl', 'rocksalt', a=5.64)))
    print(1e3 * time.process_time(), 1e3 * (time.time() - _start_time()))
    return
  function, count = _prepare(work)
  function()  # Compiles.
  print('ready', flush=True)
  for _ in sys.stdin:
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(1e3 * cpu / count, 1e3 * wall / count, flush=True)


def _prepare(work: str) -> tuple[Callable[[], object], int]:
  """A function that does a work several times, and how many times."""
  if work == 'step':
    return training_steps(), STEPS
  if work == 'box':
    codec, crystals = _codec('box30'), _crystals(40)
    z = codec.encode(crystals, skip=True)
    z = z[np.isfinite(z).all(1)][:BOX_CRYSTALS]
    return lambda: codec.decode(z), len(z)
  crystals = _crystals(CRYSTALS[work])
  if work == 'frame':
    from crystal_jax.representation import frame

    rows = [(c.numbers, _fractional(c), c.cell) for c in crystals]
    return lambda: [frame.standard_frame(*row) for row in rows], len(rows)
  codec = _codec('mp_20')
  z = codec.encode(crystals)
  if work == 'encode':
    return lambda: codec.encode(crystals), len(crystals)
  refine = 'none' if work == 'decode' else work
  return lambda: codec.decode(z, refine=refine), len(z)


def _codec(name):
  import crystal_jax as cj

  return cj.Codec.load(name)


def _crystals(count: int):
  """Held-out crystals that mp_20 can encode."""
  import crystal_jax as cj

  path = pathlib.Path('datasets', 'oqmd_icsd20', 'data', 'val.npz')
  with np.load(path, allow_pickle=False) as arrays:
    columns = {name: arrays[name] for name in arrays.files}
  crystals = []
  for start, end, cell in zip(
    columns['offsets'], columns['offsets'][1:], columns['cell'], strict=False
  ):
    numbers = columns['numbers'][start:end].astype(np.int32)
    crystals.append(
      cj.Crystal(numbers, columns['frac'][start:end] @ cell, cell)
    )
    if len(crystals) == 2 * count:
      break
  z = _codec('mp_20').encode(crystals, skip=True)
  valid = np.flatnonzero(np.isfinite(z).all(axis=1))
  return [crystals[i] for i in valid[:count]]


def _fractional(crystal):
  return crystal.positions @ np.linalg.inv(np.asarray(crystal.cell, float))


def training_steps() -> Callable[[], None]:
  """A function that takes `STEPS` training steps of cell16.py."""
  import jax

  from crystal_jax.tasks import set_up
  from crystal_jax.training import parallel
  from experiments import cell16

  config = cell16.get_config()
  config.data.train_split, config.data.heldout_split = 'train[:256]', 'val[:32]'
  run = set_up(config)
  step = parallel.parallel_train_step(run.train_step)
  state = parallel.replicate(run.fresh_state())
  batches = run.train_batches()

  def take_steps():
    nonlocal state
    for _ in range(STEPS):
      state, _ = step(state, next(batches))
    jax.block_until_ready(state)

  return take_steps


def _start_time() -> float:
  """When this process started, seconds since the epoch."""
  with open('/proc/self/stat', encoding='ascii') as file:
    ticks = int(file.read().rsplit(')', 1)[1].split()[19])
  with open('/proc/uptime', encoding='ascii') as file:
    uptime = float(file.read().split()[0])
  return time.time() - uptime + ticks / os.sysconf('SC_CLK_TCK')


if __name__ == '__main__':
  if len(sys.argv) == 2 and not sys.argv[1].startswith('--'):
    measure(sys.argv[1])
  else:
    main()
