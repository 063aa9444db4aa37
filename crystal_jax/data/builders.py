"""TFDS builders of data sets: found by path, and prepared without TensorFlow.

A builder is loaded by its path, because a package called `datasets` is often
installed. A data set is prepared once, into array_record files.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import pathlib
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Only a data set on disk needs it at run time.
  import tensorflow_datasets as tfds

Path = str | os.PathLike[str]

_log = logging.getLogger(__name__)

_SUFFIX = '_dataset_builder.py'
# Folder of the checkout, to which paths of its data sets are relative.
CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def prepare(
  builder: Path,
  data_dir: Path | None = None,
  manual_dir: Path | None = None,
) -> tfds.core.DatasetBuilder:
  """Prepares the data set unless it is on disk; returns its builder.

  TFDS writes to a temporary folder and renames it when it is complete, so files
  of an interrupted run are never read.
  """
  created = create(builder, data_dir)
  if not created.data_path.exists():
    _download_and_prepare(created, manual_dir)
  # A fresh builder reads the metadata of the files on disk.
  return create(builder, data_dir)


def _download_and_prepare(created, manual_dir):
  import tensorflow_datasets as tfds

  _log.info('Preparing %s in %s.', created.name, created.data_path)
  tfds.disable_progress_bar()  # Keeps logs short.
  try:
    created.download_and_prepare(
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
    # The rename fails if another process finished first.
    if not created.data_path.exists():
      raise


def find_builder(builder: Path) -> tuple[pathlib.Path, str | None]:
  """Path of the builder's module, and the name of its config or None.

  Raises:
    FileNotFoundError: If there is none.
  """
  for folder in pathlib.Path(builder), CHECKOUT / builder:
    for parent, config in ((folder, None), (folder.parent, folder.name)):
      path = parent / f'{parent.name}{_SUFFIX}'
      if path.is_file():
        return path.resolve(), config
  raise FileNotFoundError(
    f'No data set builder at {builder}, nor at {CHECKOUT / builder}: a folder '
    f'<name> with a file <name>{_SUFFIX}.'
  )


def create(builder: Path, data_dir: Path | None) -> tfds.core.DatasetBuilder:
  """The builder of a folder; its data set need not be prepared."""
  path, config = find_builder(builder)
  module = load_module(str(path))
  data_dir = None if data_dir is None else os.path.abspath(data_dir)
  return module.Builder(data_dir=data_dir, config=config)


@functools.cache
def load_module(path: str) -> types.ModuleType:
  """The module of a builder; it is imported once."""
  import tensorflow_datasets as tfds

  name = pathlib.Path(path).stem
  spec = importlib.util.spec_from_file_location(name, path)
  if spec is None or spec.loader is None:
    raise ValueError(f'{path} cannot be imported.')
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  with tfds.core.registered.skip_registration():
    spec.loader.exec_module(module)
  return module
