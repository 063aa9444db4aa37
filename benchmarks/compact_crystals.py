"""Crystals of a compact file, with ids and energies."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from crystal_jax.io.reading import compact
from crystal_jax.structure.crystal import Crystal


def read(
  path: pathlib.Path, only: pathlib.Path | None = None
) -> tuple[list[str], list[Crystal], Float[np.ndarray, 'M']]:
  """Ids, crystals and energies (eV/atom, NaN without one) of a compact file.

  Args:
    path: The file.
    only: A file of ids, one a line. None: all crystals.
  """
  columns = compact.read_file(path)
  wanted = only and set(only.read_text().split())
  energies = columns.get('energy_per_atom')
  if energies is None:
    energies = np.full(len(columns['ids']), np.nan)
  ids, crystals, kept = [], [], []
  for i, name in enumerate(columns['ids'].tolist()):
    if wanted and name not in wanted:
      continue
    ids.append(name)
    crystals.append(_crystal(columns, i))
    kept.append(energies[i])
  return ids, crystals, np.array(kept)


def read_random(
  path: pathlib.Path, number: int, seed: int
) -> tuple[list[Crystal], dict[str, np.ndarray]]:
  """Random crystals of a compact file, and its scalars of them by name.

  Args:
    path: The file.
    number: Number of crystals; of a smaller file, all in random order.
    seed: Seed of the choice.
  """
  columns = compact.read_file(path)
  chosen = np.random.default_rng(seed).permutation(len(columns['ids']))[:number]
  scalars = {name: columns[name][chosen] for name in
             compact.scalar_names(columns)}  # fmt: skip
  return [_crystal(columns, i) for i in chosen.tolist()], scalars


def _crystal(columns: Mapping[str, np.ndarray], row: int) -> Crystal:
  """The crystal of a row."""
  atoms = slice(*columns['offsets'][row : row + 2])
  cell = columns['cell'][row].astype(np.float64)
  positions = columns['frac'][atoms].astype(np.float64) @ cell
  return Crystal(columns['numbers'][atoms].astype(np.int32), positions, cell)
