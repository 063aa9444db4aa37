"""Crystals of a compact file, with ids and energies."""

from __future__ import annotations

import pathlib

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
    atoms = slice(*columns['offsets'][i : i + 2])
    cell = columns['cell'][i].astype(np.float64)
    positions = columns['frac'][atoms].astype(np.float64) @ cell
    numbers = columns['numbers'][atoms].astype(np.int32)
    ids.append(name)
    crystals.append(Crystal(numbers, positions, cell))
    kept.append(energies[i])
  return ids, crystals, np.array(kept)
