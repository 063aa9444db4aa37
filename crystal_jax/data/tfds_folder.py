"""Folder of a prepared TFDS data set: writer, and whether it is complete.

`TfdsWriter` writes array_record files, features.json and dataset_info.json.
`shard_assembly` adds skipped.csv, duplicates.csv and summary.json before
dataset_info.json, which is written last: a folder with it is complete.
"""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from crystal_jax.data.features import crystal_features
from crystal_jax.data.summary import Summary

_COMPLETION_FILE = 'dataset_info.json'
_CRYSTALS_PER_SHARD = 1 << 18  # A shard is an array_record file.


def is_prepared(folder: str | os.PathLike[str]) -> bool:
  """Whether a folder holds a complete data set."""
  return (pathlib.Path(folder) / _COMPLETION_FILE).is_file()


def empty_splits(folder: str | os.PathLike[str]) -> list[str]:
  """Splits without crystals; TFDS does not list them."""
  path = pathlib.Path(folder) / 'summary.json'
  if not path.is_file():  # Written by another program.
    return []
  return [name for name, n in Summary.load(path).splits.items() if not n]


class TfdsWriter:
  """Streaming writer of a TFDS data set.

  A TFDS builder sorts each split by the hashes of its keys, which needs
  TensorFlow beyond 1 GB; this writer keeps the given order.
  """

  def __init__(
    self,
    partial: pathlib.Path,
    splits: Sequence[str],
    scalars: Mapping[str, str],
    description: str,
  ):
    """Creates the folder of the incomplete data set.

    Args:
      partial: Folder of the incomplete data set; emptied.
      splits: Names of the splits that have crystals.
      scalars: Description of each scalar, by name.
      description: Description of the data set.
    """
    import tensorflow_datasets as tfds

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
      info,
      max_examples_per_shard=_CRYSTALS_PER_SHARD,
      file_format='array_record',
    )
    self._writer.initialize_splits(list(splits))

  def add(self, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Appends records to each split, in the given order."""
    self._writer.add_examples(records)

  def finish(self, folder: pathlib.Path) -> None:
    """Moves the complete data set to `folder`."""
    self._writer.close_all()
    # Shards left by a run that was killed while moving files.
    for stale in folder.glob('crystals-*'):
      stale.unlink()
    names = os.listdir(self._partial)
    for name in sorted(
      names, key=lambda name: (name == _COMPLETION_FILE, name)
    ):
      os.replace(self._partial / name, folder / name)
