"""Which crystals of a set are used, and several sets as one, with weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax import elements as elements_lib
from crystal_jax.crystal import Crystal
from crystal_jax.data.arrays import Arrays, in_memory, records
from crystal_jax.data.sources import load_split
from crystal_jax.reading.parse import radius

_log = logging.getLogger(__name__)

Path = str | os.PathLike[str]

_NOTHING = {
  'numbers': np.zeros((0, 1), np.int32),
  'positions': np.zeros((0, 1, 3), np.float32),
  'cell': np.zeros((0, 3, 3), np.float32),
  'id': np.zeros(0, str),
}


def load(
  builder: Path,
  split: str,
  *,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
  weights: Sequence[float] = (),
  **rules: Any,
) -> Arrays:
  """Crystals of a split, in memory.

  Args:
    builder: What `load_split` takes; or several, with commas between them.
    split: A split, or a part of one.
    data_dir: Where prepared data sets live. None: TFDS's default.
    manual_dir: Where files lie that the user has to provide.
    weights: Of several sets: their shares of an epoch; empty: as large as they
      are.
    **rules: Which crystals; see `select`. None: all.

  Returns:
    What `in_memory` returns; no crystals if a prepared folder has none there.

  Raises:
    FileNotFoundError: If there is no such set.
    ValueError: If there is no such split, or not one weight a set.
  """
  names = [name.strip() for name in os.fspath(builder).split(',')]
  sources = [load_split(name, split, data_dir, manual_dir) for name in names]
  parts = [in_memory(source) if len(source) else _NOTHING for source in sources]
  if rules:
    parts = [select(part, **rules) for part in parts]
  if len(parts) == 1 and not weights:
    return parts[0]
  return mix(parts, weights)


def select(
  arrays: Mapping[str, np.ndarray],
  *,
  elements: Sequence[str] = (),
  min_atoms: int = 1,
  max_atoms: int | None = None,
  max_e_above_hull: float | None = None,
  box_length: float | None = None,
  box_sigma: float = 0.5,
) -> Arrays:
  """Only some of the crystals; what is left out is counted in the log.

  Args:
    arrays: What `in_memory` returns.
    elements: Symbols; only crystals made of nothing else. Empty: all.
    min_atoms: Least atoms of a crystal.
    max_atoms: Most atoms, and the slots that are kept; None: as they come.
    max_e_above_hull: eV/atom; crystals of which it is not known stay out too.
    box_length: Å; only crystals of which one cell fits such a box. None: all.
    box_sigma: Standard deviation of an atom in that box, Å.

  Raises:
    ValueError: If an element is none, or the energy is not in the data.
  """
  numbers = np.asarray(arrays['numbers'])
  counts = (numbers > 0).sum(1)
  rules = {f'fewer than {min_atoms} atoms': counts >= min_atoms}
  if max_atoms is not None:
    rules[f'more than {max_atoms} atoms'] = counts <= max_atoms
  if elements:
    allowed = [0, *(elements_lib.number(symbol) for symbol in elements)]
    rules[f'elements besides {" ".join(elements)}'] = np.isin(
      numbers, allowed
    ).all(1)
  if max_e_above_hull is not None and len(numbers):
    if 'e_above_hull' not in arrays:
      raise ValueError(
        f'No e_above_hull to select by; there are {sorted(arrays)}.'
      )
    rules[f'more than {max_e_above_hull:g} eV/atom above the hull'] = (
      arrays['e_above_hull'] <= max_e_above_hull
    )
  if box_length is not None and len(numbers):
    reach = box_length / 2 - 2 * box_sigma
    rules[f'cells that do not fit {box_length:g} Å'] = _radii(arrays) <= reach
  kept = np.ones(len(numbers), bool)
  for rule, passed in rules.items():
    dropped = int((kept & ~passed).sum())
    kept &= passed
    if dropped:
      _log.info('%d of %d left out: %s.', dropped, len(kept), rule)
  chosen = {name: column[kept] for name, column in arrays.items()}
  return chosen if max_atoms is None else _with_slots(chosen, max_atoms)


def mix(parts: Sequence[Arrays], weights: Sequence[float] = ()) -> Arrays:
  """Several sets as one, in which each has its share.

  No crystal is left out: sets that are small for their share are repeated, the
  last time in part (the crystals that get one more are evenly spread).

  Args:
    parts: Arrays of each set; a property that one lacks is NaN there.
    weights: Shares of an epoch, in any unit; empty: the sets' sizes.

  Raises:
    ValueError: If there is not one positive weight a set.
  """
  if weights and (len(weights) != len(parts) or min(weights) <= 0):
    raise ValueError(
      f'Need one positive weight for each of {len(parts)} sets, not '
      f'{tuple(weights)}.'
    )
  sizes = np.array([len(part['numbers']) for part in parts])
  shares = np.asarray(weights or np.maximum(sizes, 1), float)
  wanted = np.rint(shares * (sizes / shares).max()).astype(int) * (sizes > 0)
  rows = [
    np.arange(count) * size // max(count, 1)
    for size, count in zip(sizes, np.maximum(wanted, sizes), strict=True)
  ]
  _log.info(
    'An epoch holds %s crystals of sets of %s.',
    [len(r) for r in rows],
    sizes.tolist(),
  )
  slots = max(part['numbers'].shape[1] for part in parts)
  padded = [_with_slots(part, slots) for part in parts]
  names = dict.fromkeys(name for part in parts for name in part)
  return {
    name: np.concatenate(
      [_column(p, name)[r] for p, r in zip(padded, rows, strict=True)]
    )
    for name in names
  }


def _radii(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
  """How far the outermost atom of each cell lies from its mean, Å."""
  rows = records(arrays, range(len(arrays['numbers'])))
  crystals = [
    Crystal(row['numbers'], row['positions'], row['cell']) for row in rows
  ]
  return np.array([radius(crystal) for crystal in crystals])


def _column(part: Arrays, name: str) -> np.ndarray:
  """A column, NaN where the set has none."""
  missing = np.full(len(part['numbers']), np.nan, np.float32)
  return part.get(name, missing)


def _with_slots(arrays: Arrays, slots: int) -> Arrays:
  """The same crystals in so many slots."""
  spare = max(0, slots - arrays['numbers'].shape[1])
  return arrays | {
    'numbers': np.pad(arrays['numbers'], [(0, 0), (0, spare)])[:, :slots],
    'positions': np.pad(
      arrays['positions'], [(0, 0), (0, spare), (0, 0)]
    )[:, :slots],
  }  # fmt: skip
