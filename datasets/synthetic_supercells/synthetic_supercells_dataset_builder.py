"""Disordered supercells of the embedded crystals, as a TFDS builder.

`crystal_jax.data.synthetic` makes them; see README.md for how, and for how to
make them of other crystals.
"""

import functools
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from crystal_jax.data import splits, synthetic
from crystal_jax.data.features import crystal_features
from crystal_jax.io.reading import compact
from crystal_jax.io.reading.parse import reduced_formula

_HERE = pathlib.Path(__file__).parent
_SOURCE = _HERE.parent / 'oqmd_icsd20' / 'data'
# Supercells of each split; its index is the seed.
_COUNTS = {'train': 24_000, 'val': 500, 'test': 500}


class Builder(tfds.core.GeneratorBasedBuilder):
  """Builder of synthetic_supercells."""

  name = 'synthetic_supercells'
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}

  def _info(self) -> tfds.core.DatasetInfo:
    """Features: a crystal and its id."""
    return tfds.core.DatasetInfo(
      builder=self,
      description=(_HERE / 'README.md').read_text(encoding='utf-8'),
      citation=(_HERE / 'CITATIONS.bib').read_text(encoding='utf-8'),
      homepage='https://oqmd.org',
      license='CC-BY-4.0',
      features=crystal_features({}),
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager  # Nothing to download.
    return {split: self._generate_examples(split) for split in splits.SPLITS}

  def _generate_examples(self, split: str):
    for record in generate(split, _COUNTS[split]):
      yield record['id'], record


def generate(split: str, count: int):
  """Supercells of a split of oqmd_icsd20 whose formulas are of that split."""
  rows = _rows(split)
  yield from synthetic.supercells(
    rows,
    count,
    seed=splits.SPLITS.index(split),
    accept=lambda formula: split_of(formula) == split,
  )


def split_of(formula: str) -> str:
  """Split of a reduced formula: as in oqmd_icsd20, else by its hash."""
  return _embedded().get(formula) or splits.split_of_formula(formula)


def _rows(split: str) -> list[synthetic.Record]:
  columns = compact.read_file(_SOURCE / f'{split}.npz')
  rows = []
  for i, id_ in enumerate(columns['ids'].tolist()):
    atoms = slice(*columns['offsets'][i : i + 2])
    cell = columns['cell'][i].astype(np.float64)
    rows.append(
      {
        'id': id_,
        'numbers': columns['numbers'][atoms],
        'positions': columns['frac'][atoms].astype(np.float64) @ cell,
        'cell': cell,
      }
    )
  return rows


@functools.cache
def _embedded() -> dict[str, str]:
  """The split of each reduced formula of oqmd_icsd20."""
  return {
    reduced_formula(row['numbers']): split
    for split in splits.SPLITS
    for row in _rows(split)
  }
