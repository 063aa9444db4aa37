"""Some items' crystals in a file: what one task of a worker leaves behind.

The file appears whole or not at all. Its name tells what went into it, so that
a run that was interrupted takes what is there and reads the rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.parse import (
  Parsed,
  fingerprint,
  primitive_atoms,
  radius,
  reduced_formula,
)

_VERSION = 2


@dataclasses.dataclass(frozen=True)
class Chunk:
  """What came of some items.

  Attributes:
    rows: Of each crystal: file, id, formula, fingerprint, radius, primitive
      (atoms of its primitive cell), properties.
    skipped: What is not among them.
    numbers: Atomic numbers, uint8 [atoms].
    positions: Cartesian, Å, float32 [atoms, 3].
    cell: Lattice vectors as rows, Å, float32 [crystals, 3, 3].
    offsets: Crystal i owns atoms offsets[i]:offsets[i+1].
  """

  rows: list[dict[str, Any]]
  skipped: list[Skip]
  numbers: np.ndarray
  positions: np.ndarray
  cell: np.ndarray
  offsets: np.ndarray


def name(items: Sequence[Item], max_atoms: int) -> str:
  """A file name that changes with the items, their files, and the limit."""
  digest = hashlib.sha256(f'{_VERSION} {max_atoms}'.encode())
  for item in items:
    stat = os.stat(item.path)
    state = dataclasses.astuple(item), stat.st_size, stat.st_mtime_ns
    digest.update(json.dumps(state).encode())
  return f'{digest.hexdigest()[:32]}.npz'


def save(
  path: pathlib.Path, found: Sequence[tuple[Item, Parsed | Skip]]
) -> None:
  """Writes what came of items, whole or not at all."""
  rows, crystals, skipped = [], [], []
  for item, result in found:
    if isinstance(result, Skip):
      skipped.append(dataclasses.asdict(result))
      continue
    crystal, id_, properties = result
    crystals.append(crystal)
    rows.append(
      {
        'file': item.name,
        'id': id_,
        'formula': reduced_formula(crystal.numbers),
        'fingerprint': fingerprint(crystal),
        'radius': radius(crystal),
        'primitive': primitive_atoms(crystal),
        'properties': properties,
      }
    )
  text = json.dumps({'rows': rows, 'skipped': skipped}).encode()
  numbers = [np.zeros(0), *(crystal.numbers for crystal in crystals)]
  positions = [np.zeros((0, 3)), *(crystal.positions for crystal in crystals)]
  cells = np.reshape([crystal.cell for crystal in crystals], (-1, 3, 3))
  partial = path.with_suffix(f'.{os.getpid()}.part')
  with partial.open('wb') as file:
    np.savez(
      file,
      text=np.frombuffer(text, np.uint8),
      numbers=np.concatenate(numbers).astype(np.uint8),
      positions=np.concatenate(positions).astype(np.float32),
      cell=cells.astype(np.float32),
      offsets=np.cumsum([0, *(len(crystal.numbers) for crystal in crystals)]),
    )
  os.replace(partial, path)


def load(path: pathlib.Path) -> Chunk:
  """Reads what `save` wrote."""
  with path.open('rb') as opened, np.load(opened, allow_pickle=False) as file:
    columns = {name: file[name] for name in file.files}
  text = json.loads(columns.pop('text').tobytes())
  skipped = [Skip(**skip) for skip in text['skipped']]
  return Chunk(text['rows'], skipped, **columns)
