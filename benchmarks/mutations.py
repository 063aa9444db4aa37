"""Random changes of files, for `benchmarks.fuzz`."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

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
