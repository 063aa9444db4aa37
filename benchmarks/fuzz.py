"""Mutated files for `read` and `Codec.load`: a result, or one ValueError.

python -m benchmarks.fuzz [--count=100000] [--seed=0] [--kinds cif npz ..]

Prints a row per kind of file: inputs, how many were read and refused, and how
many raised another exception or took more than a limit, which are faults.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import pathlib
import shutil
import signal
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable

import ase.build
import ase.io
import numpy as np

import crystal_jax as cj

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Seconds of CPU that one input may take.
_LIMIT = 20
# Words and numbers that replace those of a file.
_TOKENS = (
  b'nan', b'inf', b'-1', b'0', b'1e999', b'-1e-320', b'999999999999', b'?',
  b'.', b'"', b"'", b';', b'\n', b'\0', b'#', b'loop_', b'data_', b'x,y,z',
  b'x,y,z+1/0', b'P 1', b'Xx', b'1(', b'--', b'\xff\xfe', b'_', b'$(', b'[',
)  # fmt: skip
# Values that replace those of a JSON file.
_VALUES = (
  0, -1, 1, 5, 10**7, 1e308, -0.5, '', 'x', None, True, [], {}, [[]], [0],
  {'a': 0},
)  # fmt: skip


class _Hang(BaseException):
  """An input took too long."""


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--count', type=int, default=1000, help='per kind')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--seconds', type=float, default=1e9, help='per kind')
  parser.add_argument('--kinds', nargs='+', choices=KINDS, default=list(KINDS))
  flags = parser.parse_args()
  for kind in flags.kinds:
    row = fuzz(kind, flags.count, flags.seed, seconds=flags.seconds)
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


def mutate_bytes(data: bytes, rng: np.random.Generator) -> bytes:
  """One or a few random changes of digits, bytes, words or lines."""
  for _ in range(rng.geometric(0.7)):
    choice = rng.integers(9)
    if not data:
      return data
    start = int(rng.integers(len(data)))
    stop = min(len(data), start + int(rng.geometric(0.05)))
    if choice == 0:
      data = data[:start] + bytes([rng.integers(256)]) + data[start + 1 :]
    elif choice == 1:
      data = data[:start] + data[stop:]
    elif choice == 2:
      data = data[:stop] + data[start:]
    elif choice == 3:
      data = data[:start]
    elif choice in (4, 5):
      words = data.split(b' ')
      words[rng.integers(len(words))] = _TOKENS[rng.integers(len(_TOKENS))]
      data = b' '.join(words)
    elif choice in (6, 7):
      digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
      if digits:
        i = digits[rng.integers(len(digits))]
        data = data[:i] + b'%d' % rng.integers(10) + data[i + 1 :]
    else:
      lines = data.split(b'\n')
      i, j = rng.integers(len(lines), size=2)
      lines[i], lines[j] = lines[j], lines[i] if rng.random() < 0.5 else b''
      data = b'\n'.join(lines)
  return data


def mutate_npz(data: bytes, rng: np.random.Generator) -> bytes:
  """Changes of the archive's bytes, or of an array inside a sound archive."""
  if rng.random() < 0.5:
    return mutate_bytes(data, rng)
  with zipfile.ZipFile(io.BytesIO(data)) as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
  name = list(members)[rng.integers(len(members))]
  if rng.random() < 0.1:
    del members[name]
  else:
    members[name] = mutate_bytes(members[name], rng)
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
    for name, member in members.items():
      archive.writestr(name, member)
  return buffer.getvalue()


def mutate_json(data: bytes, rng: np.random.Generator) -> bytes:
  """One value of a JSON replaced or removed; one in five times its bytes."""
  if rng.random() < 0.2:
    return mutate_bytes(data, rng)
  tree = json.loads(data)
  node, key = tree, None
  while isinstance(node, (dict, list)) and node:
    keys = list(node) if isinstance(node, dict) else range(len(node))
    parent, key = node, keys[int(rng.integers(len(keys)))]
    node = parent[key]
    if rng.random() < 0.3:
      break
  if rng.random() < 0.2 and isinstance(parent, dict):
    del parent[key]
  else:
    parent[key] = _VALUES[rng.integers(len(_VALUES))]
  return json.dumps(tree).encode()


def _atoms() -> list[ase.Atoms]:
  return [
    ase.build.bulk('NaCl', 'rocksalt', 5.64, cubic=True),
    ase.build.bulk('Ti', 'hcp', 2.95, 4.68),
    ase.build.bulk('C', 'diamond', 3.57) * (2, 1, 1),
  ]


def _written_files(file_format: str) -> list[bytes]:
  found = []
  for atoms in _atoms():
    buffer = io.BytesIO() if file_format == 'cif' else io.StringIO()
    ase.io.write(buffer, atoms, format=file_format)
    text = buffer.getvalue()
    found.append(text if isinstance(text, bytes) else text.encode())
  return found


def _cifs() -> list[bytes]:
  """Plain ones, and some of the forms that databases write."""
  symmetric = b"""data_x
_cell_length_a 5.64(1)
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
_space_group_IT_number 225
_chemical_formula_sum 'Na Cl'
_cell_formula_units_Z 4
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na+ 0 0 0 1.0
Cl1 Cl- 0.5 0.5 0.5 1.0
"""
  operations = b"""loop_
_symmetry_equiv_pos_as_xyz
'x,y,z'
'-x,-y,-z'
'x,y+1/2,z+1/2'
'-x,-y+1/2,-z+1/2'
"""
  lines = symmetric.split(b'\n')
  listed = b'\n'.join([*lines[:7], operations, *lines[11:]])
  return [*_written_files('cif'), symmetric, listed]


def _npzs() -> list[bytes]:
  found = []
  for save in np.savez, np.savez_compressed:
    buffer, atoms = io.BytesIO(), _atoms()[0]
    save(
      buffer,
      numbers=atoms.numbers.astype(np.uint8),
      frac=atoms.get_scaled_positions().astype(np.float32),
      cell=np.float32([atoms.cell.array]),
      offsets=np.int64([0, len(atoms)]),
      ids=np.array(['x']),
      band_gap=np.float32([5.0]),
    )
    found.append(buffer.getvalue())
  return found


def _cards() -> list[bytes]:
  return [(_WEIGHTS / 'card.json').read_bytes()]


def _load_codec(path: pathlib.Path) -> None:
  weights = path.parent / 'weights.safetensors'
  if not weights.exists():
    shutil.copy(_WEIGHTS / weights.name, weights)
  cj.Codec.load(path.parent)


_WEIGHTS = _ROOT / 'crystal_jax' / 'weights' / 'perov_5'

# File name, original files, mutation, reader.
KINDS: dict[str, tuple[str, Callable, Callable, Callable]] = {
  'cif': ('x.cif', _cifs, mutate_bytes, cj.read),
  'poscar': ('POSCAR', lambda: _written_files('vasp'), mutate_bytes, cj.read),
  'extxyz': (
    'x.extxyz',
    lambda: _written_files('extxyz'),
    mutate_bytes,
    cj.read,
  ),
  'npz': ('x.npz', _npzs, mutate_npz, cj.read_all),
  'card': ('card.json', _cards, mutate_json, _load_codec),
}


if __name__ == '__main__':
  main()
