"""Mutated files for `read` and `Codec.load`: a result, or one ValueError.

python -m benchmarks.fuzz [--count=100000] [--seed=0] [--kinds cif npz ..]

Prints a row per kind of file: inputs, how many were read and refused, and how
many raised another exception or took more than a limit, which are faults.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable

import numpy as np

import crystal_jax as cj
from benchmarks import fuzz_sources
from benchmarks.mutations import mutate_bytes, mutate_json, mutate_npz

# Seconds of CPU that one input may take.
_LIMIT = 20


class _Hang(BaseException):
  """An input took too long."""


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--count', type=int, default=1000, help='per kind')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--seconds', type=float, default=1e9, help='per kind')
  parser.add_argument('--kinds', nargs='+', choices=KINDS, default=list(KINDS))
  args = parser.parse_args()
  for kind in args.kinds:
    row = fuzz(kind, args.count, args.seed, seconds=args.seconds)
    print(
      f'| {kind} | {row["inputs"]} | {row["read"]} | {row["refused"]} | '
      f'{len(row["faults"])} | {row["seconds"]:.0f} s | '
      f'{row["slowest"] * 1e3:.0f} ms |',
      flush=True,
    )
    kinds = collections.Counter(fault[:100] for fault in row['faults'])
    for fault, number in kinds.most_common(10):
      print(f'  {number} x {fault}')


def fuzz(kind: str, count: int, seed: int, *, seconds: float = 1e9) -> dict:
  """Reads mutated files of one kind.

  Args:
    kind: One of `KINDS`.
    count: Number of inputs.
    seed: Seed of the mutations.
    seconds: Time after which it stops early.

  Returns:
    inputs, read, refused, faults (a line each), seconds, slowest (s).
  """
  name, originals, mutate, read = KINDS[kind]
  sources = originals()
  rng = np.random.default_rng(seed)
  found = {'inputs': 0, 'read': 0, 'refused': 0, 'faults': [], 'slowest': 0.0}
  start = time.perf_counter()
  previous = signal.signal(signal.SIGPROF, _raise_hang)
  try:
    with tempfile.TemporaryDirectory() as folder:
      path = pathlib.Path(folder) / name
      while found['inputs'] < count and time.perf_counter() - start < seconds:
        data = mutate(sources[rng.integers(len(sources))], rng)
        path.write_bytes(data)
        found['inputs'] += 1
        _try(read, path, found)
  finally:
    signal.signal(signal.SIGPROF, previous)
  return found | {'seconds': time.perf_counter() - start}


def _try(read: Callable, path: pathlib.Path, found: dict) -> None:
  start = time.process_time()
  signal.setitimer(signal.ITIMER_PROF, _LIMIT)
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      read(path)
    found['read'] += 1
  except ValueError as error:
    found['refused'] += 1
    if type(error) is not ValueError:
      found['faults'].append(f'{type(error).__name__}: {error}')
  except _Hang:
    found['faults'].append(f'more than {_LIMIT} s of CPU')
  except Exception as error:
    found['faults'].append(f'{type(error).__name__}: {error}')
  finally:
    signal.setitimer(signal.ITIMER_PROF, 0)
  found['slowest'] = max(found['slowest'], time.process_time() - start)


def _raise_hang(*_):
  raise _Hang


def _load_codec(path: pathlib.Path) -> None:
  weights = path.parent / 'weights.safetensors'
  if not weights.exists():
    shutil.copy(fuzz_sources.WEIGHTS / weights.name, weights)
  cj.Codec.load(path.parent)


# File name, original files, mutation, reader.
KINDS: dict[str, tuple[str, Callable, Callable, Callable]] = {
  'cif': ('x.cif', fuzz_sources.cifs, mutate_bytes, cj.read),
  'poscar': (
    'POSCAR',
    lambda: fuzz_sources.written_files('vasp'),
    mutate_bytes,
    cj.read,
  ),
  'extxyz': (
    'x.extxyz',
    lambda: fuzz_sources.written_files('extxyz'),
    mutate_bytes,
    cj.read,
  ),
  'npz': ('x.npz', fuzz_sources.npzs, mutate_npz, cj.read_all),
  'card': ('card.json', fuzz_sources.cards, mutate_json, _load_codec),
}


if __name__ == '__main__':
  main()
