"""A prepared folder: a TFDS data set whose crystals were read from files.

It holds array_record files, dataset_info.json and features.json, and with them
skipped.csv and summary.json. What says that all of it is there is
dataset_info.json, which comes last.
"""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from crystal_jax.data.features import crystal_features
from crystal_jax.data.summary import Summary

_LAST = 'dataset_info.json'
_SHARD = 1 << 18  # Crystals of a file.


def is_prepared(folder: str | os.PathLike[str]) -> bool:
  """Whether a folder holds a whole data set."""
  return (pathlib.Path(folder) / _LAST).is_file()


def empty_splits(folder: str | os.PathLike[str]) -> list[str]:
  """Splits that no crystal fell into, which TFDS does not know."""
  path = pathlib.Path(folder) / 'summary.json'
  if not path.is_file():  # A folder of another's making.
    return []
  return [name for name, n in Summary.load(path).splits.items() if not n]


class Writer:
  """Writes a data set record by record, with nothing of it kept in memory.

  Not as a TFDS builder writes one, which sorts a split by the hashes of its
  keys: beyond 1 GB it would need TensorFlow for that.
  """

  def __init__(
    self,
    partial: pathlib.Path,
    splits: Sequence[str],
    scalars: Mapping[str, str],
    description: str,
  ):
    """Begins.

    Args:
      partial: A folder for what is not complete.
      splits: Names of the splits that have crystals.
      scalars: Names of all properties, and what they mean.
      description: What the data set is.
    """
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    self._partial = partial
    identity = tfds.core.dataset_info.DatasetIdentity(
      name='crystals',
      version=tfds.core.Version('1.0.0'),
      data_dir=os.fspath(partial),
      module_name=__name__,
    )
    info = tfds.core.DatasetInfo(
      builder=identity,
      description=description,
      features=crystal_features(scalars),
    )
    self._writer = tfds.core.SequentialWriter(
      info, max_examples_per_shard=_SHARD, file_format='array_record'
    )
    self._writer.initialize_splits(list(splits))

  def add(self, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Writes some records of each split, in this order."""
    self._writer.add_examples(records)

  def finish(self, folder: pathlib.Path) -> None:
    """Puts the data set where it comes to lie."""
    self._writer.close_all()
    for old in folder.glob('crystals-*'):  # Of a run that died right here.
      old.unlink()
    names = os.listdir(self._partial)
    for name in sorted(names, key=lambda name: (name == _LAST, name)):
      os.replace(self._partial / name, folder / name)
