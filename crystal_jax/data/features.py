"""TFDS features of a crystal record: atoms, cell, id and scalars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # Only a data set on disk needs it at run time.
  import tensorflow_datasets as tfds

# Features of every crystal; a scalar of the same name is renamed.
RESERVED = ('id', 'numbers', 'positions', 'cell')


def crystal_features(
  scalars: Mapping[str, str],
) -> tfds.features.FeaturesDict:
  """Features of a data set of crystals.

  Args:
    scalars: Description, with unit, of each scalar by name. Scalars are
      float32, NaN where missing.
  """
  import tensorflow_datasets as tfds

  return tfds.features.FeaturesDict(
    {
      'id': tfds.features.Text(doc='Id of the crystal in its source.'),
      'numbers': tfds.features.Tensor(
        shape=(None,), dtype=np.uint8, doc='Atomic numbers.'
      ),
      'positions': tfds.features.Tensor(
        shape=(None, 3), dtype=np.float32, doc='Cartesian positions, Å.'
      ),
      'cell': tfds.features.Tensor(
        shape=(3, 3), dtype=np.float32, doc='Lattice vectors as rows, Å.'
      ),
    }
    | {
      name: tfds.features.Scalar(np.float32, doc=doc)
      for name, doc in scalars.items()
    }
  )
