"""A split of a data set as a random-access source, without TensorFlow.

A data set is a folder with a TFDS builder, `datasets/<name>/`. It is loaded by
path (a package called `datasets` is often installed already), prepared once
into array_record files, and read through `tfds.data_source`.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import pathlib
import sys
import types
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds

from crystal_jax.data import compact_source, prepared

Path = str | os.PathLike[str]

_log = logging.getLogger(__name__)

_SUFFIX = '_dataset_builder.py'
_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def load_split(
  builder: Path,
  split: str,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> Sequence[dict[str, Any]]:
  """Opens one split; prepares the data set first if that was never done.

  Args:
    builder: Folder of the builder, such as 'datasets/oqmd_icsd20': as it is, or
      relative to the checkout this package lies in. A set among several of one
      builder comes last: 'datasets/cdvae_csv/mp_20'. Or a prepared folder, or
      the stem of compact files, '<stem>_<split>.npz'.
    split: A split, or a part of one: 'train', 'train[:100]', 'val[50%:]'.
    data_dir: Where prepared data sets live. None: TFDS's own default,
      $TFDS_DATA_DIR or ~/tensorflow_datasets.
    manual_dir: Where files lie that the user has to provide. None: downloads/
      manual in the data_dir.

  Returns:
    A source with `len` and `[i]`: records as dicts of NumPy arrays, ids as str.
    It can be pickled, so grain's workers can open it too. A split that is empty
    in a prepared folder has no records.

  Raises:
    FileNotFoundError: If there is no builder at `builder`.
    ValueError: If the data set has no such split.
  """
  for stem in builder, _CHECKOUT / builder:
    files = compact_source.find_files(stem)
    if files:
      return compact_source.Compact(files, split)
    if prepared.is_prepared(stem):
      if split in prepared.empty_splits(stem):
        return ()
      return _split(tfds.builder_from_directory(os.fspath(stem)), split)
  return _split(prepare(builder, data_dir, manual_dir), split)


def load_splits(
  builder: Path,
  split: str,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> list[Sequence[dict[str, Any]]]:
  """Opens a split of several sets, with commas between them; see above."""
  names = [name.strip() for name in os.fspath(builder).split(',')]
  return [load_split(name, split, data_dir, manual_dir) for name in names]


def split_names(
  builder: Path,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> list[str]:
  """The splits that `load_split` finds, those without crystals left out."""
  for stem in builder, _CHECKOUT / builder:
    files = compact_source.find_files(stem)
    if files:
      return list(files)
    if prepared.is_prepared(stem):
      return list(tfds.builder_from_directory(os.fspath(stem)).info.splits)
  return list(prepare(builder, data_dir, manual_dir).info.splits)


class Split(Sequence):
  """Records of one split of a prepared data set."""

  def __init__(self, folder: str, split: str):
    self._folder, self._split = folder, split
    builder = tfds.builder_from_directory(folder)
    self._source = builder.as_data_source(split=split)

  def __len__(self) -> int:
    return len(self._source)

  @property
  def files(self) -> list[pathlib.Path]:
    """What is read."""
    infos = tfds.builder_from_directory(self._folder).info.splits
    names = {
      name
      for part in self._split.split('+')
      for name in infos[part.split('[')[0].strip()].filenames
    }
    return [pathlib.Path(self._folder, name) for name in sorted(names)]

  def __getitem__(self, index: int) -> dict[str, Any]:
    if not -len(self) <= index < len(self):
      raise IndexError(f'{index=} of {len(self)} records of {self}')
    try:
      record = dict(self._source[int(index) % len(self)])
    except RuntimeError as error:  # As array_record has it.
      raise RuntimeError(
        f'{self._folder} is damaged; delete it and it will be prepared anew.'
      ) from error
    for name, value in record.items():
      if isinstance(value, bytes):
        record[name] = value.decode('utf-8')
    return record

  def __repr__(self) -> str:
    return f'Split({self._folder!r}, {self._split!r})'

  def __reduce__(self):
    return Split, (self._folder, self._split)  # The open files stay behind.


def prepare(
  builder: Path,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> tfds.core.DatasetBuilder:
  """Writes the data set unless it is there already; returns its builder.

  The files are written to a folder of their own, which gets its final name when
  all of them are complete; what an interrupted run leaves is never read.
  """
  made = _make(builder, data_dir)
  if not made.data_path.exists():
    _download_and_prepare(made, manual_dir)
  # Made again it knows what is in the files, whoever wrote them and when.
  return _make(builder, data_dir)


def _download_and_prepare(made, manual_dir):
  _log.info('Preparing %s in %s.', made.name, made.data_path)
  tfds.disable_progress_bar()  # It litters logs, for a second's work.
  try:
    made.download_and_prepare(
      file_format='array_record',
      download_config=tfds.download.DownloadConfig(
        manual_dir=None if manual_dir is None else os.path.abspath(manual_dir),
        try_download_gcs=False,
      ),
    )
  except AssertionError as error:
    if 'Manual directory' not in str(error):
      raise
    raise FileNotFoundError(str(error)) from error
  except OSError:
    # Another process may have finished first, so that ours could not be named.
    if not made.data_path.exists():
      raise


def _split(builder: tfds.core.DatasetBuilder, split: str) -> Split:
  for part in split.split('+'):
    name = part.split('[')[0].strip()
    if name not in builder.info.splits:
      raise ValueError(
        f'{builder.name} has no split {name!r}, only '
        f'{sorted(builder.info.splits)}.'
      )
  return Split(os.fspath(builder.data_path), split)


def find_builder(builder: Path) -> tuple[pathlib.Path, str | None]:
  """The builder's module file in its folder, and which of its sets is meant.

  Raises:
    FileNotFoundError: If there is none.
  """
  for folder in pathlib.Path(builder), _CHECKOUT / builder:
    for place, config in ((folder, None), (folder.parent, folder.name)):
      path = place / f'{place.name}{_SUFFIX}'
      if path.is_file():
        return path.resolve(), config
  raise FileNotFoundError(
    f'No data set builder at {builder}, nor at {_CHECKOUT / builder}: a folder '
    f'<name> with a file <name>{_SUFFIX}.'
  )


def _make(builder: Path, data_dir: Path | None) -> tfds.core.DatasetBuilder:
  path, config = find_builder(builder)
  module = _load_module(str(path))
  data_dir = None if data_dir is None else os.path.abspath(data_dir)
  return module.Builder(data_dir=data_dir, config=config)


@functools.cache
def _load_module(path: str) -> types.ModuleType:
  name = pathlib.Path(path).stem
  spec = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  with tfds.core.registered.skip_registration():
    spec.loader.exec_module(module)
  return module
