"""Preparation of a data set as an Apache Beam pipeline.

  data.prepare_with_beam(['alexandria/'], 'data/alexandria')

Needs the extra [beam]. The default runner is local (DirectRunner); pass options
for Spark, Flink or Dataflow. Unlike `prepare`, it has no time limit, and an
interrupted run starts again.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crystal_jax.data import shard_assembly, splits
from crystal_jax.data.features import crystal_features
from crystal_jax.io.reading import listing
from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.parse import parse, reduced_formula

_PARTIAL = '.partial'
_SAMPLED_ITEMS = 20  # Items that are parsed to find the names of properties.

Path = str | os.PathLike[str]


def prepare_with_beam(
  sources: Sequence[Path],
  out: Path,
  *,
  fractions: Sequence[float] = splits.DEFAULT_FRACTIONS,
  max_atoms: int = 1000,
  runner: str = 'DirectRunner',
  options: Sequence[str] = (),
) -> dict[str, int]:
  """Writes a data set of any size; read it by `load_split(out, 'train')`.

  Args:
    sources: Files and folders, as for `prepare`.
    out: Folder of the data set; it must not exist.
    fractions: Shares of train, val and test, by a hash of the formula.
    max_atoms: Crystals with more atoms are skipped.
    runner: Name of Beam's runner.
    options: Options of the runner, such as '--direct_num_workers=0'.

  Returns:
    Number of crystals of each split. Skips are listed in `skipped*.csv` in
    `out`.

  Raises:
    FileNotFoundError: If a source does not exist.
    ValueError: If apache-beam is not installed, `out` exists, or no crystal is
      found.
  """
  try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise ValueError("Beam needs: pip install '.[beam]'") from error
  import tensorflow_datasets as tfds

  splits.check_fractions(fractions)
  out = pathlib.Path(out)
  if out.exists():
    raise ValueError(f'{out} exists already; give a new folder.')
  found = list(listing.list_items(sources, {os.path.realpath(out)}))
  columns = _columns(found, max_atoms)
  partial = out.with_name(f'.{out.name}{_PARTIAL}')
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  try:
    builder = _builder(partial, found, columns, fractions, max_atoms)
    with contextlib.redirect_stdout(io.StringIO()):
      builder.download_and_prepare(
        file_format='array_record',
        download_config=tfds.download.DownloadConfig(
          try_download_gcs=False,
          beam_runner=beam.runners.create_runner(runner),
          beam_options=PipelineOptions(list(options)),
        ),
      )
    prepared = pathlib.Path(builder.data_path)
    for path in partial.glob('skipped*.csv'):
      os.replace(path, prepared / path.name)
    os.replace(prepared, out)
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  info = tfds.builder_from_directory(os.fspath(out)).info
  return {name: split.num_examples for name, split in info.splits.items()}


def _builder(partial, found, columns, fractions, max_atoms):
  import apache_beam as beam
  import tensorflow_datasets as tfds

  with tfds.core.registered.skip_registration():

    class Crystals(tfds.core.GeneratorBasedBuilder):
      """TFDS builder of the data set."""

      name = 'crystals'
      VERSION = tfds.core.Version('1.0.0')

      def _info(self) -> tfds.core.DatasetInfo:
        docs = {name: f'{column} of the source.' for column, name in columns}
        return tfds.core.DatasetInfo(
          builder=self, features=crystal_features(docs)
        )

      def _split_generators(self, dl_manager, pipeline):
        del dl_manager
        read = (
          pipeline
          | beam.Create(found)
          | beam.Reshuffle()
          | beam.FlatMap(_read, max_atoms, columns)
        )
        lines = read | beam.Filter(_is_skip) | beam.Map(_line)
        _ = lines | beam.io.WriteToText(
          os.fspath(partial / 'skipped'), '.csv', header='file,id,reason'
        )
        crystals = (
          read
          | 'crystals' >> beam.Filter(lambda result: not _is_skip(result))
          | beam.Map(lambda record: (record['id'], record))
          | beam.GroupByKey()  # One crystal per id.
          | beam.MapTuple(lambda id_, same: (id_, next(iter(same))))
        )
        return {
          split: self._generate_examples(crystals, split)
          for split in splits.SPLITS
        }

      def _generate_examples(self, crystals, split):
        return crystals | split >> beam.Filter(_belongs, split, fractions)

  return Crystals(data_dir=str(partial))


def _read(
  item: Item | Skip, max_atoms: int, columns: Sequence[tuple[str, str]]
) -> Iterator[dict[str, Any] | Skip]:
  """Records of an item's crystals, and its skips."""
  for result in [item] if isinstance(item, Skip) else parse(item, max_atoms):
    if isinstance(result, Skip):
      yield result
      continue
    crystal, id_, properties = result
    record: dict[str, Any] = {
      'id': id_,
      'numbers': crystal.numbers.astype(np.uint8),
      'positions': crystal.positions.astype(np.float32),
      'cell': crystal.cell.astype(np.float32),
    }
    for column, name in columns:
      value = properties.get(column)
      is_number = isinstance(value, float)
      record[name] = np.float32(value if is_number else 'nan')
    yield record


def _columns(found, max_atoms) -> list[tuple[str, str]]:
  """Columns of the first crystals' properties, and their features' names."""
  columns: dict[str, Any] | None = None
  first = [item for item in found if isinstance(item, Item)][:_SAMPLED_ITEMS]
  for item in first:
    for result in parse(item, max_atoms):
      if not isinstance(result, Skip):
        columns = columns or {}
        columns |= {k: v for k, v in result[2].items() if isinstance(v, float)}
  if columns is None:
    raise ValueError(
      f'The first {_SAMPLED_ITEMS} files or rows hold no crystal.'
    )
  return list(shard_assembly.property_names(columns).items())


def _belongs(keyed, split, fractions) -> bool:
  formula = reduced_formula(keyed[1]['numbers'])
  return splits.split_of_formula(formula, fractions) == split


def _is_skip(result) -> bool:
  return isinstance(result, Skip)


def _line(skip: Skip) -> str:
  text = io.StringIO()
  csv.writer(text).writerow([skip.file, skip.id, skip.reason])
  return text.getvalue().rstrip('\r\n')
