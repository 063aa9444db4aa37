"""Random-access sources of the splits of data sets, without TensorFlow.

A data set is the stem of compact files, a prepared folder, or the folder of a
TFDS builder (`builders`), whose files are read through `tfds.data_source`.
"""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crystal_jax.data import builders, compact_source, tfds_folder

if TYPE_CHECKING:  # Only a data set on disk needs it at run time.
  import tensorflow_datasets as tfds

Path = str | os.PathLike[str]

_log = logging.getLogger(__name__)


def load_split(
  builder: Path,
  split: str,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> Sequence[dict[str, Any]]:
  """Opens one split; prepares the data set if it is not on disk yet.

  Args:
    builder: One of: folder of a builder, 'datasets/oqmd_icsd20', relative to
      the working directory or to this package's checkout; folder of a builder
      and one of its configs, 'datasets/cdvae_csv/mp_20'; a prepared folder; the
      stem of compact files '<stem>_<split>.npz'.
    split: A split, or a part of one: 'train', 'train[:100]', 'val[50%:]'.
    data_dir: Folder of prepared data sets. None: TFDS's default,
      $TFDS_DATA_DIR or ~/tensorflow_datasets.
    manual_dir: Folder of files that the user provides. None: downloads/manual
      in the data_dir.

  Returns:
    A picklable source with `len` and `[i]`: records as dicts of NumPy arrays,
    ids as str. An empty split of a prepared folder has no records.

  Raises:
    FileNotFoundError: If there is no builder at `builder`.
    ValueError: If the data set has no such split.
  """
  for stem in builder, builders.CHECKOUT / builder:
    files = compact_source.find_files(stem)
    if files:
      return compact_source.Compact(files, split)
    if tfds_folder.is_prepared(stem):
      if split in tfds_folder.empty_splits(stem):
        return ()
      return _split(_from_directory(stem), split)
  return _split(builders.prepare(builder, data_dir, manual_dir), split)


def load_splits(
  builder: Path,
  split: str,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> list[Sequence[dict[str, Any]]]:
  """Opens a split of comma-separated data sets; see `load_split`.

  Returns:
    A source for each data set. Where one of several data sets lacks the split,
    such as 'val' of generated crystals, its source is empty.

  Raises:
    FileNotFoundError: If one of the data sets does not exist.
    ValueError: If none of the data sets has the split.
  """
  names = [name.strip() for name in os.fspath(builder).split(',')]
  folders = data_dir, manual_dir
  if len(names) == 1:
    return [load_split(names[0], split, *folders)]
  lacking = [
    name
    for name in names
    if not _names_in(split) <= {*split_names(name, *folders)}
  ]
  if len(lacking) == len(names):
    return [load_split(name, split, *folders) for name in names]  # Raises.
  if lacking:
    _log.warning('Without a split %s: %s.', split, ', '.join(lacking))
  return [
    () if name in lacking else load_split(name, split, *folders)
    for name in names
  ]


def split_names(
  builder: Path,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> list[str]:
  """Names of the splits that have crystals."""
  for stem in builder, builders.CHECKOUT / builder:
    files = compact_source.find_files(stem)
    if files:
      return list(files)
    if tfds_folder.is_prepared(stem):
      return list(_from_directory(stem).info.splits)
  return list(builders.prepare(builder, data_dir, manual_dir).info.splits)


class Split(Sequence[dict[str, Any]]):
  """Records of one split of a prepared data set."""

  def __init__(self, folder: str, split: str):
    self._folder, self._split = folder, split
    builder = _from_directory(folder)
    self._source = builder.as_data_source(split=split)

  def __len__(self) -> int:
    return len(self._source)

  @property
  def files(self) -> list[pathlib.Path]:
    """The array_record files of the split."""
    infos = _from_directory(self._folder).info.splits
    names = {
      name
      for split in _names_in(self._split)
      for name in infos[split].filenames
    }
    return [pathlib.Path(self._folder, name) for name in sorted(names)]

  def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
    if not -len(self) <= index < len(self):
      raise IndexError(f'{index=} of {len(self)} records of {self}')
    try:
      record = dict(self._source[int(index) % len(self)])
    except RuntimeError as error:  # Raised by array_record.
      raise RuntimeError(
        f'{self._folder} is damaged; delete it to prepare the data set again.'
      ) from error
    for name, value in record.items():
      if isinstance(value, bytes):
        record[name] = value.decode('utf-8')
    return record

  def __repr__(self) -> str:
    return f'Split({self._folder!r}, {self._split!r})'

  def __reduce__(self):
    return Split, (self._folder, self._split)  # Open files do not pickle.


def _split(builder: tfds.core.DatasetBuilder, split: str) -> Split:
  names = sorted(builder.info.splits)
  missing = sorted(_names_in(split) - {*names})
  if missing:
    raise ValueError(
      f'{builder.name} has no split {missing[0]!r}, only {names}.'
    )
  return Split(os.fspath(builder.data_path), split)


def _names_in(split: str) -> set[str]:
  """Names of the splits of which a split such as 'train[:9]+val' has parts."""
  return {part.split('[')[0].strip() for part in split.split('+')}


def _from_directory(folder: Path) -> tfds.core.DatasetBuilder:
  import tensorflow_datasets as tfds

  return tfds.builder_from_directory(os.fspath(folder))
