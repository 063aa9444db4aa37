"""The data set that generated crystals are scored against."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from crystal_jax import data
from crystal_jax.data import compact_source, tfds_folder
from crystal_jax.io.reading import compact
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure.crystal import Crystal, unstack

# Splits that count as held out, the first that has crystals.
_HELD_OUT = 'test', 'val', 'heldout'
# Data sets of shipped names, whose files a user provides.
_BUILDERS = {
  name: f'datasets/cdvae_csv/{name}' for name in ('mp_20', 'perov_5',
                                                  'carbon_24')
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Reference:
  """Known crystals.

  Attributes:
    name: Name of the data set.
    train: Crystals of which a generated one is not novel.
    heldout: Crystals that generated ones are to resemble.
  """

  name: str
  train: Sequence[Crystal]
  heldout: Sequence[Crystal]


def load_reference(name: str | os.PathLike[str]) -> Reference:
  """Loads a data set with a training and a held-out split.

  Args:
    name: The stem of compact files (`data/mp_le20` for data/mp_le20_train.npz
      and data/mp_le20_val.npz), a prepared folder, a folder with train.csv and
      val.csv or test.csv, the folder of a builder, or 'mp_20', 'perov_5' and
      'carbon_24', whose published CSV files `datasets/cdvae_csv` reads. Of
      test, val and heldout the first that has crystals is held out.

  Raises:
    FileNotFoundError: If there is no such data set.
    ValueError: If it has no training or no held-out crystals.
  """
  path = pathlib.Path(name)
  files = {
    split: file
    for split, file in compact_source.find_files(path).items()
    if split in ('train', *_HELD_OUT)  # Others need not be crystals.
  }
  if files:
    splits = {split: _from_compact(file) for split, file in files.items()}
  elif path.is_dir() and any(path.glob('*.csv')) and not _is_data_set(path):
    splits = {file.stem: _from_files(file) for file in path.glob('*.csv')}
  else:
    builder = _BUILDERS.get(os.fspath(name), os.fspath(name))
    try:
      splits = {
        split: _from_arrays(data.load(builder, split))
        for split in data.split_names(builder)
      }
    except FileNotFoundError as error:
      raise FileNotFoundError(
        f'No reference {os.fspath(name)!r}. Give the stem of compact files, a '
        'prepared folder (`python -m crystal_jax prepare`) or a folder with '
        f'train.csv and val.csv. {error}'
      ) from error
  heldout = next((splits[s] for s in _HELD_OUT if splits.get(s)), None)
  if not splits.get('train') or heldout is None:
    raise ValueError(
      f'{os.fspath(name)} has the splits {sorted(splits)}; scoring needs train '
      f'and one of {", ".join(_HELD_OUT)}.'
    )
  return Reference(os.fspath(name), splits['train'], heldout)


def _is_data_set(path: pathlib.Path) -> bool:
  return tfds_folder.is_prepared(path) or any(path.glob('*_dataset_builder.py'))


def _from_compact(path: pathlib.Path) -> list[Crystal]:
  columns = compact.read_file(path)
  offsets, cells = columns['offsets'], columns['cell'].astype(np.float64)
  crystals = []
  for cell, start, end in zip(cells, offsets[:-1], offsets[1:], strict=True):
    fractional = columns['frac'][start:end].astype(np.float64)
    numbers = columns['numbers'][start:end].astype(np.int32)
    crystals.append(Crystal(numbers, fractional @ cell, cell))
  return crystals


def _from_files(path: pathlib.Path) -> list[Crystal]:
  results = read_crystals([path])
  return [result[0] for result in results if not isinstance(result, Skip)]


def _from_arrays(arrays: data.Arrays) -> list[Crystal]:
  columns = (arrays[name] for name in ('numbers', 'positions', 'cell'))
  return unstack(Crystal(*columns))
