"""A prepared folder: a TFDS data set whose crystals were read from files.

It holds array_record files, dataset_info.json and features.json, and with them
skipped.csv and summary.json. What says that all of it is there is
dataset_info.json, which comes last.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from crystal_jax.data.features import crystal_features
from crystal_jax.data.summary import Summary
from crystal_jax.reading import chunks

_LAST = 'dataset_info.json'


def is_prepared(folder: str | os.PathLike[str]) -> bool:
  """Whether a folder holds a whole data set."""
  return (pathlib.Path(folder) / _LAST).is_file()


def empty_splits(folder: str | os.PathLike[str]) -> list[str]:
  """Splits that no crystal fell into, which TFDS does not know."""
  path = pathlib.Path(folder) / 'summary.json'
  if not path.is_file():  # A folder of another's making.
    return []
  return [name for name, n in Summary.load(path).splits.items() if not n]


def write(
  partial: pathlib.Path,
  folder: pathlib.Path,
  rows: Mapping[str, Sequence[tuple[int, int, dict[str, float]]]],
  files: Sequence[pathlib.Path],
  scalars: Mapping[str, str],
  description: str,
) -> None:
  """Writes a data set.

  Args:
    partial: A folder for what is not complete.
    folder: Where the data set comes to lie.
    rows: Of each split: index of a chunk, row in it, and its properties.
    files: The chunks.
    scalars: Names of all properties, and what they mean.
    description: What the data set is.
  """
  shutil.rmtree(partial, ignore_errors=True)
  with tfds.core.registered.skip_registration():

    class Crystals(tfds.core.GeneratorBasedBuilder):
      """The data set, as TFDS wants it told."""

      name = 'crystals'
      VERSION = tfds.core.Version('1.0.0')

      def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
          builder=self,
          description=description,
          features=crystal_features(scalars),
        )

      def _split_generators(self, dl_manager):
        del dl_manager
        return {
          split: self._generate_examples(chosen)
          for split, chosen in rows.items()
        }

      def _generate_examples(self, chosen):
        return _records(chosen, files, scalars)

  tfds.disable_progress_bar()
  builder = Crystals(data_dir=str(partial))
  with contextlib.redirect_stdout(io.StringIO()):  # It says that it downloads.
    builder.download_and_prepare(
      file_format='array_record',
      download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
  made = pathlib.Path(builder.data_path)
  for old in folder.glob('crystals-*'):  # Of a run that died right here.
    old.unlink()
  names = sorted(os.listdir(made), key=lambda name: (name == _LAST, name))
  for name in names:
    os.replace(made / name, folder / name)


def _records(chosen, files, scalars) -> Iterator[tuple[str, dict[str, Any]]]:
  """Records of a split, chunk after chunk."""
  missing = dict.fromkeys(scalars, float('nan'))
  number, chunk = -1, None
  for which, row, properties in chosen:
    if which != number:
      number, chunk = which, chunks.load(files[which])
    atoms = slice(*chunk.offsets[row : row + 2])
    id_ = chunk.rows[row]['id']
    numbers = {k: np.float32(v) for k, v in (missing | properties).items()}
    yield (
      id_,
      {
        'id': id_,
        'numbers': chunk.numbers[atoms],
        'positions': chunk.positions[atoms],
        'cell': chunk.cell[row],
      }
      | numbers,
    )
