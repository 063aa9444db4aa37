"""Loading and selection of crystals, in memory."""

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

# Arrays without crystals.
EMPTY: Arrays = {
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
    builder: As for `load_split`; several data sets are separated by commas.
    split: A split, or a part of one.
    data_dir: Folder of prepared data sets. None: TFDS's default.
    manual_dir: Folder of files that the user provides.
    weights: Share of an epoch of each of several data sets. Empty: their sizes.
    **rules: Rules of `filter_crystals`; no rules: all crystals.

  Returns:
    As `in_memory`; no crystals if a prepared folder has an empty split.

  Raises:
    FileNotFoundError: If there is no such data set.
    ValueError: If there is no such split, or not one weight per data set.
  """
  parts = []
  for source in load_splits(builder, split, data_dir, manual_dir):
    part = in_memory(source) if len(source) else EMPTY
    parts.append(select(part, **rules) if rules else part)
  return mix(parts, weights) if len(parts) > 1 or weights else parts[0]


def load_inputs(
  builder: Path,
  split: str,
  prepare: Prepare,
  *,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
  columns: Sequence[str] = (),
  weights: Sequence[float] = (),
  **rules: Any,
) -> tuple[Arrays, Dropped]:
  """Training inputs of the crystals of a split, in memory.

  Args:
    builder: As for `load`.
    split: As for `load`.
    prepare: Function from crystals to input columns, and (id, reason) of the
      crystals that it drops; see `Representation.prepare`.
    columns: Names of scalars, such as 'band_gap', to keep beside the inputs:
      float32 [M], NaN where a crystal or one of several data sets has none.
    data_dir: As for `load`.
    manual_dir: As for `load`.
    weights: As for `load`.
    **rules: As for `load`.

  Returns:
    The columns of `prepare` and `columns`; (id, reason) of dropped crystals.

  Raises:
    ValueError: As `load`, or if no data set has one of the `columns`.
  """
  sources = load_splits(builder, split, data_dir, manual_dir)
  check_columns(columns, sources)
  parts: list[Arrays] = []
  dropped: Dropped = []
  for source in sources:
    part = in_memory(source) if len(source) else EMPTY
    part = select(part, **rules) if rules else part
    if len(part['numbers']):
      part, more = prepare_inputs(part, prepare, columns)
      dropped += more
    parts.append(part)
  if len(parts) > 1 or weights:
    return mix(parts, weights), dropped
  return parts[0], dropped


def check_columns(
  columns: Sequence[str], sources: Sequence[Sequence[Mapping[str, Any]]]
) -> None:
  """Raises a ValueError if none of the sources has one of the columns."""
  known: set[str] = set()
  crystals = False
  for source in sources:
    if len(source):
      crystals = True
      known |= {n for n, v in source[0].items() if is_scalar(v)}
  missing = [name for name in columns if name not in known]
  if crystals and missing:
    raise ValueError(
      f'The data has no scalars {missing}; it has {sorted(known)}.'
    )


def is_scalar(value: Any) -> bool:
  """Whether a value of a record is one number."""
  return np.ndim(value) == 0 and np.asarray(value).dtype.kind in 'fiub'


def prepare_inputs(
  arrays: Arrays, prepare: Prepare, columns: Sequence[str] = ()
) -> tuple[Arrays, Dropped]:
  """The columns of `prepare`, with scalars of the crystals that it keeps.

  Args:
    arrays: Padded arrays, as returned by `in_memory`.
    prepare: As for `load_inputs`.
    columns: As for `load_inputs`.
  """
  if not columns:
    return prepare(arrays)
  # Ids may repeat: `prepare` gets each crystal's row as its id.
  ids = np.asarray(arrays['id'])
  inputs, dropped = prepare(arrays | {'id': np.arange(len(ids)).astype(str)})
  rows = inputs['id'].astype(int)
  inputs = inputs | {'id': ids[rows]}
  for name in columns:
    column = arrays.get(name, np.full(len(ids), np.nan))
    inputs[name] = np.asarray(column, np.float32)[rows]
  return inputs, [(str(ids[int(row)]), reason) for row, reason in dropped]


def select(arrays: Mapping[str, np.ndarray], **rules: Any) -> Arrays:
  """Crystals that pass all rules; logs the number that each rule excludes.

  Args:
    arrays: Padded arrays, as returned by `in_memory`.
    **rules: See `filter_crystals`.
  """
  selected, left_out = filter_crystals(arrays, **rules)
  log_left_out(left_out, len(arrays['numbers']))
  return selected


def log_left_out(left_out: Mapping[str, int], total: int) -> None:
  """Logs the counts of `filter_crystals`."""
  for rule, dropped in left_out.items():
    _log.info('%d of %d left out: %s.', dropped, total, rule)


def filter_crystals(
  arrays: Mapping[str, np.ndarray],
  *,
  elements: Sequence[str] = (),
  min_atoms: int = 1,
  max_atoms: int | None = None,
  max_e_above_hull: float | None = None,
  box_length: float | None = None,
  box_sigma: float = 0.5,
) -> tuple[Arrays, dict[str, int]]:
  """Crystals that pass all rules, and the number that each rule excludes.

  Args:
    arrays: Padded arrays, as returned by `in_memory`.
    elements: Symbols of the allowed elements. Empty: all.
    min_atoms: Minimum number of atoms of a crystal.
    max_atoms: Maximum number of atoms of a crystal, and number of slots. None:
      no limit.
    max_e_above_hull: Maximum energy above the hull, eV/atom; crystals without a
      value are excluded. None: no limit.
    box_length: Side of a box, Å; crystals whose single cell does not fit are
      excluded. None: no limit.
    box_sigma: Standard deviation of an atom in that box, Å.

  Raises:
    ValueError: If an element is unknown, or the data lacks e_above_hull.
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
        f'No e_above_hull to select by; known are {sorted(arrays)}.'
      )
    rules[f'more than {max_e_above_hull:g} eV/atom above the hull'] = (
      arrays['e_above_hull'] <= max_e_above_hull
    )
  if box_length is not None and len(numbers):
    reach = box_length / 2 - 2 * box_sigma
    rules[f'cells that do not fit {box_length:g} Å'] = _radii(arrays) <= reach
  kept = np.ones(len(numbers), bool)
  left_out: dict[str, int] = {}
  for rule, passed in rules.items():
    excluded = int((kept & ~passed).sum())
    kept &= passed
    if excluded:
      left_out[rule] = excluded
  selected = {name: column[kept] for name, column in arrays.items()}
  if max_atoms is not None:
    selected = with_slots(selected, max_atoms)
  return selected, left_out


def _radii(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
  """Distance of each cell's outermost atom from the atoms' mean, Å."""
  rows = records(arrays, range(len(arrays['numbers'])))
  crystals = [
    Crystal(row['numbers'], row['positions'], row['cell']) for row in rows
  ]
  return np.array([radius(crystal) for crystal in crystals])
