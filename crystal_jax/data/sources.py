"""A split of a data set as a random-access source, without TensorFlow.

A data set is a folder with a TFDS builder, `datasets/<name>/`. It is loaded by
path (a package called `datasets` is often installed already), prepared once
into array_record files, and read through `tfds.data_source`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pathlib
import sys
import types
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

_SUFFIX = '_dataset_builder.py'
_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def load_split(
  builder: str | os.PathLike[str],
  split: str,
  data_dir: str | os.PathLike[str] | None = None,
) -> Sequence[dict[str, Any]]:
  """Opens one split; prepares the data set first if that was never done.

  Args:
    builder: Folder of the builder, such as 'datasets/oqmd_icsd20': as it is, or
      relative to the checkout this package lies in.
    split: A split, or a part of one: 'train', 'train[:100]', 'val[50%:]'.
    data_dir: Where prepared data sets live. None: TFDS's own default,
      $TFDS_DATA_DIR or ~/tensorflow_datasets.

  Returns:
    A source with `len` and `[i]`: records as dicts of NumPy arrays, ids as str.
    It can be pickled, so grain's workers can open it too.

  Raises:
    FileNotFoundError: If there is no builder at `builder`.
    ValueError: If the data set has no such split.
  """
  return Split(str(find_builder(builder)), split, data_dir)


class Split(Sequence):
  """Records of one split; opened when first read."""

  def __init__(
    self,
    builder: str,
    split: str,
    data_dir: str | os.PathLike[str] | None,
  ):
    self._builder, self._split = builder, split
    self._data_dir = None if data_dir is None else os.fspath(data_dir)
    self._open()

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    if not -len(self) <= index < len(self):
      raise IndexError(f'{index=} of {len(self)} records of {self}')
    record = dict(self._source[int(index) % len(self)])
    for name, value in record.items():
      if isinstance(value, bytes):
        record[name] = value.decode('utf-8')
    return record

  def __repr__(self) -> str:
    return f'Split({self._builder!r}, {self._split!r})'

  def __getstate__(self) -> dict[str, Any]:
    return {k: v for k, v in self.__dict__.items() if k != '_source'}

  def __setstate__(self, state: dict[str, Any]) -> None:
    self.__dict__.update(state)
    self._open()

  def _open(self) -> None:
    builder = prepare(self._builder, self._data_dir)
    name = self._split.split('[')[0]
    if name not in builder.info.splits:
      raise ValueError(
        f'{builder.name} has no split {name!r}, only '
        f'{sorted(builder.info.splits)}.'
      )
    self._source = builder.as_data_source(split=self._split)


def prepare(
  builder: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
) -> tfds.core.DatasetBuilder:
  """Writes the data set unless it is there already; returns its builder.

  The files are written to a folder of their own, which gets its final name when
  all of them are complete; what an interrupted run leaves is never read.
  """
  made = _make(builder, data_dir)
  if made.data_path.exists():
    return made
  logging.info('Preparing %s in %s.', made.name, made.data_path)
  tfds.disable_progress_bar()  # It litters logs, for a second's work.
  try:
    made.download_and_prepare(
      file_format='array_record',
      download_config=tfds.download.DownloadConfig(
        try_download_gcs=False, register_checksums=False
      ),
    )
  except OSError:
    # Another process may have finished first, so that ours could not be named.
    if not made.data_path.exists():
      raise
  return _make(builder, data_dir)


def find_builder(builder: str | os.PathLike[str]) -> pathlib.Path:
  """The builder's module file in its folder.

  Raises:
    FileNotFoundError: If there is none.
  """
  folders = [pathlib.Path(builder), _CHECKOUT / builder]
  for folder in folders:
    path = folder if folder.is_file() else folder / f'{folder.name}{_SUFFIX}'
    if path.is_file():
      return path.resolve()
  raise FileNotFoundError(
    f'No data set builder at {builder}: looked for a folder with a file '
    f'*{_SUFFIX} at {" and ".join(map(str, folders))}.'
  )


def _make(
  builder: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None,
) -> tfds.core.DatasetBuilder:
  module = _load_module(str(find_builder(builder)))
  data_dir = None if data_dir is None else os.path.abspath(data_dir)
  return module.Builder(data_dir=data_dir)


@functools.cache
def _load_module(path: str) -> types.ModuleType:
  name = pathlib.Path(path).stem
  spec = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  with tfds.core.registered.skip_registration():
    spec.loader.exec_module(module)
  return module
