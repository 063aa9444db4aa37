"""Perov-5, Carbon-24, MP-20 and MPTS-52, from CSV files as they are published.

The user provides the files, see README.md. Nothing needs TensorFlow.
"""

import csv
import dataclasses
import pathlib
import sys

import numpy as np
import tensorflow_datasets as tfds

from crystal_jax.data.features import crystal_features
from crystal_jax.io import parse_cif

_HERE = pathlib.Path(__file__).parent
_SPLITS = ('train', 'val', 'test')


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """One of the published sets: a folder of train.csv, val.csv and test.csv.

  The files have the columns `material_id` and `cif`, and any others.

  Attributes:
    scalars: Columns of the CSV that are kept, by the feature's name; NaN
      where a file lacks one.
  """

  scalars: dict[str, str] = dataclasses.field(default_factory=dict)


class Builder(tfds.core.GeneratorBasedBuilder):
  """Builder of cdvae_csv/perov_5, /carbon_24, /mp_20 and /mpts_52.

  Another set in this layout is another Config.
  """

  name = 'cdvae_csv'
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = 'See datasets/cdvae_csv/README.md.'
  BUILDER_CONFIGS = [
    Config(
      name='perov_5',
      description='Cubic perovskites of 5 atoms.',
      scalars={'heat_all': 'heat_all', 'heat_ref': 'heat_ref'},
    ),
    Config(
      name='carbon_24',
      description='Carbon, 6 to 24 atoms.',
      scalars={'energy_per_atom': 'energy_per_atom'},
    ),
    Config(
      name='mp_20',
      description='Materials Project, at most 20 atoms.',
      scalars={
        'formation_energy_per_atom': 'formation_energy_per_atom',
        'band_gap': 'band_gap',
        'e_above_hull': 'e_above_hull',
        'spacegroup_number': 'spacegroup.number',
      },
    ),
    Config(
      name='mpts_52',
      description='Materials Project by year of discovery, at most 52 atoms.',
      scalars={
        'formation_energy_per_atom': 'formation_energy_per_atom',
        'e_above_hull': 'energy_above_hull',
      },
    ),
  ]

  def _info(self) -> tfds.core.DatasetInfo:
    """Features: Å; eV; NaN where a value is missing."""
    return tfds.core.DatasetInfo(
      builder=self,
      description=(_HERE / 'README.md').read_text(encoding='utf-8'),
      citation=(_HERE / 'CITATIONS.bib').read_text(encoding='utf-8'),
      homepage='https://github.com/txie-93/cdvae',
      features=crystal_features(
        {
          name: f'{column} of the source.'
          for name, column in self.builder_config.scalars.items()
        }
      ),
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    folder = pathlib.Path(dl_manager.manual_dir) / self.builder_config.name
    files = {split: folder / f'{split}.csv' for split in _SPLITS}
    found = {split: path for split, path in files.items() if path.is_file()}
    if not found:
      raise FileNotFoundError(
        f'Put train.csv, val.csv and test.csv of {self.builder_config.name} '
        f'(or some of them) into {folder}.'
      )
    return {split: self._generate_examples(p) for split, p in found.items()}

  def _generate_examples(self, path: pathlib.Path):
    csv.field_size_limit(sys.maxsize)
    with path.open(newline='', encoding='utf-8') as file:
      for line, row in enumerate(csv.DictReader(file)):
        where = f'{path}, row {line} ({row["material_id"]})'
        crystal = parse_cif(row['cif'], where)
        # Ids repeat in some of the files, so the row is the key.
        yield (
          line,
          {
            'id': row['material_id'],
            'numbers': crystal.numbers.astype(np.uint8),
            'positions': crystal.positions.astype(np.float32),
            'cell': crystal.cell.astype(np.float32),
          }
          | {
            name: np.float32(row.get(column) or 'nan')
            for name, column in self.builder_config.scalars.items()
          },
        )
