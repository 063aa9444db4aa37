"""Which crystals of a set are used."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.data.arrays import Arrays, in_memory, records, with_slots
from crystal_jax.data.mixing import mix
from crystal_jax.data.sources import load_splits
from crystal_jax.io.reading.parse import radius
from crystal_jax.structure import elements as elements_lib
from crystal_jax.structure.crystal import Crystal

_log = logging.getLogger(__name__)

Path = str | os.PathLike[str]
Dropped = list[tuple[str, str]]  # (id, reason)
Prepare = Callable[[Arrays], tuple[Arrays, Dropped]]

# No crystals.
NOTHING = {
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
  return load_shown(
    builder, split, lambda arrays: (arrays, []), data_dir=data_dir,
    manual_dir=manual_dir, weights=weights, **rules,
  )[0]  # fmt: skip


def load_shown(
  builder: Path,
  split: str,
  prepare: Prepare,
  *,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
  weights: Sequence[float] = (),
  **rules: Any,
) -> tuple[Arrays, Dropped]:
  """What is shown of the crystals of a split, in memory.

  Args:
    builder: As of `load`.
    split: As of `load`.
    prepare: Crystals of a set to what is shown of them, and (id, reason) of
      those that cannot be; a `Representation` has it.
    data_dir: As of `load`.
    manual_dir: As of `load`.
    weights: As of `load`.
    **rules: As of `load`.

  Returns:
    The columns of `prepare`, and what it dropped.
  """
  parts, dropped = [], []
  for source in load_splits(builder, split, data_dir, manual_dir):
    part = in_memory(source) if len(source) else NOTHING
    part = select(part, **rules) if rules else part
    if len(part['numbers']):
      part, more = prepare(part)
      dropped += more
    parts.append(part)
  if len(parts) > 1 or weights:
    return mix(parts, weights), dropped
  return parts[0], dropped


def select(arrays: Mapping[str, np.ndarray], **rules: Any) -> Arrays:
  """Only some of the crystals; what is left out is counted in the log.

  Args:
    arrays: What `in_memory` returns.
    **rules: See `passing`.
  """
  chosen, left_out = passing(arrays, **rules)
  say_left_out(left_out, len(arrays['numbers']))
  return chosen


def say_left_out(left_out: Mapping[str, int], total: int) -> None:
  """Logs what `passing` counted."""
  for rule, dropped in left_out.items():
    _log.info('%d of %d left out: %s.', dropped, total, rule)


def passing(
  arrays: Mapping[str, np.ndarray],
  *,
  elements: Sequence[str] = (),
  min_atoms: int = 1,
  max_atoms: int | None = None,
  max_e_above_hull: float | None = None,
  box_length: float | None = None,
  box_sigma: float = 0.5,
) -> tuple[Arrays, dict[str, int]]:
  """The crystals that pass all rules, and how many each of them left out.

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
  kept, left_out = np.ones(len(numbers), bool), {}
  for rule, passed in rules.items():
    dropped = int((kept & ~passed).sum())
    kept &= passed
    if dropped:
      left_out[rule] = dropped
  chosen = {name: column[kept] for name, column in arrays.items()}
  if max_atoms is not None:
    chosen = with_slots(chosen, max_atoms)
  return chosen, left_out


def _radii(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
  """How far the outermost atom of each cell lies from its mean, Å."""
  rows = records(arrays, range(len(arrays['numbers'])))
  crystals = [
    Crystal(row['numbers'], row['positions'], row['cell']) for row in rows
  ]
  return np.array([radius(crystal) for crystal in crystals])
