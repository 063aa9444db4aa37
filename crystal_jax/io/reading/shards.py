"""Shards: files with the crystals of a batch of items.

A shard's name is a digest of its items, so that an interrupted run finds the
shards that are complete.
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

from crystal_jax.io import atomic
from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.parse import (
  fingerprint,
  parse,
  primitive_atoms,
  radius,
  reduced_formula,
)
from crystal_jax.io.reading.pool import Failure
from crystal_jax.structure.crystal import Crystal

_VERSION = 4

# A row of `Shard.rows` without its file, and the crystal.
Record = tuple[dict[str, Any], Crystal]


@dataclasses.dataclass(frozen=True)
class Shard:
  """The crystals of a batch of items.

  Attributes:
    rows: One dict per crystal: file, id, formula, fingerprint, radius,
      primitive (atoms of its primitive cell), properties.
    skipped: Items and structures that were skipped.
    numbers: Atomic numbers, uint8 [atoms].
    positions: Cartesian positions, Å, float32 [atoms, 3].
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


def read_item(argument: tuple[Item, int]) -> list[Record | Skip]:
  """The crystals of an item, each with its row; for `pool.isolated_map`.

  Args:
    argument: The item, and the largest number of atoms of a crystal.
  """
  item, max_atoms = argument
  found: list[Record | Skip] = []
  for result in parse(item, max_atoms):
    if isinstance(result, Skip):
      found.append(result)
      continue
    crystal, id_, properties = result
    row = {
      'file': item.name,
      'id': id_,
      'formula': reduced_formula(np.asarray(crystal.numbers)),
      'fingerprint': fingerprint(crystal),
      'radius': radius(crystal),
      'primitive': primitive_atoms(crystal),
      'properties': properties,
    }
    found.append((row, crystal))
  return found


def save(
  path: pathlib.Path,
  items: Sequence[Item],
  results: Sequence[list[Record | Skip] | Failure],
) -> list[Skip]:
  """Writes a shard atomically; returns its skips.

  Args:
    path: File to write.
    items: The items.
    results: Results of `read_item`, one per item.
  """
  rows, crystals, skipped = [], [], []
  for item, result in zip(items, results, strict=True):
    if isinstance(result, Failure):
      skipped.append(Skip(item.name, item.id, result.reason))
      continue
    for found in result:
      if isinstance(found, Skip):
        skipped.append(found)
      else:
        rows.append(found[0])
        crystals.append(found[1])
  skips = [dataclasses.asdict(skip) for skip in skipped]
  text = json.dumps({'rows': rows, 'skipped': skips}).encode()
  counts = [len(crystal.numbers) for crystal in crystals]
  numbers = [np.zeros(0), *(crystal.numbers for crystal in crystals)]
  positions = [np.zeros((0, 3)), *(crystal.positions for crystal in crystals)]
  cells = np.reshape([crystal.cell for crystal in crystals], (-1, 3, 3))
  with atomic.replacing(path) as partial, partial.open('wb') as file:
    np.savez(
      file,
      text=np.frombuffer(text, np.uint8),
      numbers=np.concatenate(numbers).astype(np.uint8),
      positions=np.concatenate(positions).astype(np.float32),
      cell=cells.astype(np.float32),
      offsets=np.cumsum([0, *counts]),
    )
  return skipped


def load(path: pathlib.Path) -> Shard:
  """Reads what `save` wrote."""
  with path.open('rb') as opened, np.load(opened, allow_pickle=False) as file:
    columns = {name: file[name] for name in file.files}
  text = json.loads(columns.pop('text').tobytes())
  skipped = [Skip(**skip) for skip in text['skipped']]
  return Shard(text['rows'], skipped, **columns)
