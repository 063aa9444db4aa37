"""Sets of millions: the same reading as an Apache Beam pipeline.

  data.prepare_with_beam(['alexandria/'], 'data/alexandria')

It needs the extra [beam]. By default it runs here (DirectRunner); Spark, Flink
or Dataflow by their options. Unlike `prepare` there is no time limit, and a run
that dies begins anew.
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
import tensorflow_datasets as tfds

from crystal_jax.data import assembling, splits
from crystal_jax.data.features import crystal_features
from crystal_jax.io.reading import items
from crystal_jax.io.reading.items import Item, Skip
from crystal_jax.io.reading.parse import parse, reduced_formula

_PARTIAL = '.partial'
_PEEK = 20  # Items that are looked at to learn the names of properties.

Path = str | os.PathLike[str]


def prepare_with_beam(
  sources: Sequence[Path],
  out: Path,
  *,
  fractions: Sequence[float] = (0.8, 0.1, 0.1),
  max_atoms: int = 1000,
  runner: str = 'DirectRunner',
  options: Sequence[str] = (),
) -> dict[str, int]:
  """Writes a data set of any size; `load_split(out, 'train')` reads it.

  Args:
    sources: Files and folders, as of `prepare`.
    out: Folder of the data set; it must not exist.
    fractions: Shares of train, val and test, by a hash of the formula.
    max_atoms: Crystals with more atoms are skipped.
    runner: Beam's runner.
    options: Its options, such as '--direct_num_workers=0'.

  Returns:
    Crystals of each split. What was skipped is in `skipped*.csv` there.

  Raises:
    FileNotFoundError: If a source does not exist.
    ValueError: If apache-beam is not installed, `out` exists, or not one
      crystal is found.
  """
  try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise ValueError("Beam needs: pip install '.[beam]'") from error
  splits.by_formula((), fractions)
  out = pathlib.Path(out)
  if out.exists():
    raise ValueError(f'{out} is there already; give a new folder.')
  found = list(items.find(sources, {os.path.realpath(out)}))
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
    made = pathlib.Path(builder.data_path)
    for path in partial.glob('skipped*.csv'):
      os.replace(path, made / path.name)
    os.replace(made, out)
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  info = tfds.builder_from_directory(os.fspath(out)).info
  return {name: split.num_examples for name, split in info.splits.items()}


def _builder(partial, found, columns, fractions, max_atoms):
  import apache_beam as beam

  with tfds.core.registered.skip_registration():

    class Crystals(tfds.core.GeneratorBasedBuilder):
      """The data set, as TFDS wants it told."""

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
          | 'crystals' >> beam.Filter(lambda one: not _is_skip(one))
          | beam.Map(lambda one: (one['id'], one))
          | beam.GroupByKey()  # The same id twice: one of them.
          | beam.MapTuple(lambda id_, same: (id_, next(iter(same))))
        )
        return {
          split: self._generate_examples(crystals, split)
          for split in splits.NAMES
        }

      def _generate_examples(self, crystals, split):
        return crystals | split >> beam.Filter(_belongs, split, fractions)

  return Crystals(data_dir=str(partial))


def _read(
  item: Item | Skip, max_atoms: int, columns: Sequence[tuple[str, str]]
) -> Iterator[dict[str, Any] | Skip]:
  """Records of an item, and what is none."""
  for result in [item] if isinstance(item, Skip) else parse(item, max_atoms):
    if isinstance(result, Skip):
      yield result
      continue
    crystal, id_, properties = result
    record = {
      'id': id_,
      'numbers': crystal.numbers.astype(np.uint8),
      'positions': crystal.positions.astype(np.float32),
      'cell': crystal.cell.astype(np.float32),
    }
    for column, name in columns:
      value = properties.get(column)
      known = isinstance(value, float)
      record[name] = np.float32(value if known else 'nan')
    yield record


def _columns(found, max_atoms) -> list[tuple[str, str]]:
  """Properties of the first crystals: column, and the feature it becomes."""
  columns = None
  first = [item for item in found if isinstance(item, Item)][:_PEEK]
  for item in first:
    for result in parse(item, max_atoms):
      if not isinstance(result, Skip):
        columns = columns or {}
        columns |= {k: v for k, v in result[2].items() if isinstance(v, float)}
  if columns is None:
    raise ValueError(f'Not one crystal in the first {_PEEK} files or rows.')
  return list(assembling.property_names(columns).items())


def _belongs(keyed, split, fractions) -> bool:
  formula = reduced_formula(keyed[1]['numbers'])
  return splits.by_hash(formula, fractions) == split


def _is_skip(one) -> bool:
  return isinstance(one, Skip)


def _line(skip: Skip) -> str:
  text = io.StringIO()
  csv.writer(text).writerow([skip.file, skip.id, skip.reason])
  return text.getvalue().rstrip('\r\n')
