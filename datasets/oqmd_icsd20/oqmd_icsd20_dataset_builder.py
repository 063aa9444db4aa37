"""OQMD structures of ICSD compounds with at most 20 atoms, as a TFDS builder.

The crystals are in `data/`; preparing them needs neither network nor
TensorFlow. README.md describes them and their source.
"""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

_HERE = pathlib.Path(__file__).parent
_SPLITS = ('train', 'val', 'test')


class Builder(tfds.core.GeneratorBasedBuilder):
  """Builder of oqmd_icsd20."""

  name = 'oqmd_icsd20'
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}

  def _info(self) -> tfds.core.DatasetInfo:
    """Features: Å, eV; NaN where a value is missing."""
    return tfds.core.DatasetInfo(
      builder=self,
      description=(_HERE / 'README.md').read_text(encoding='utf-8'),
      citation=(_HERE / 'CITATIONS.bib').read_text(encoding='utf-8'),
      homepage='https://oqmd.org',
      license='CC-BY-4.0',
      features=tfds.features.FeaturesDict(
        {
          'id': tfds.features.Text(doc='Id of the source.'),
          'numbers': tfds.features.Tensor(
            shape=(None,), dtype=np.uint8, doc='Atomic numbers.'
          ),
          'positions': tfds.features.Tensor(
            shape=(None, 3), dtype=np.float32, doc='Cartesian, Å.'
          ),
          'cell': tfds.features.Tensor(
            shape=(3, 3), dtype=np.float32, doc='Lattice vectors as rows, Å.'
          ),
          'formation_energy_per_atom': tfds.features.Scalar(
            np.float32, doc='eV/atom.'
          ),
          'e_above_hull': tfds.features.Scalar(np.float32, doc='eV/atom.'),
          'band_gap': tfds.features.Scalar(np.float32, doc='PBE, eV.'),
          'spacegroup_number': tfds.features.Scalar(np.int32, doc='1 to 230.'),
        }
      ),
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager  # Nothing to download.
    return {
      split: self._generate_examples(_HERE / 'data' / f'{split}.npz')
      for split in _SPLITS
    }

  def _generate_examples(self, path: pathlib.Path):
    with np.load(path, allow_pickle=False) as file:
      columns = {name: file[name] for name in file.files}
    offsets = columns['offsets']
    for i, (start, stop) in enumerate(zip(offsets, offsets[1:], strict=False)):
      cell = columns['cell'][i]
      fractional = columns['frac'][start:stop].astype(np.float64)
      yield (
        str(columns['ids'][i]),
        {
          'id': str(columns['ids'][i]),
          'numbers': columns['numbers'][start:stop],
          'positions': (fractional @ cell).astype(np.float32),
          'cell': cell,
          'formation_energy_per_atom': columns['formation_energy_per_atom'][i],
          'e_above_hull': columns['e_above_hull'][i],
          'band_gap': columns['band_gap'][i],
          'spacegroup_number': np.int32(columns['spacegroup_number'][i]),
        },
      )
