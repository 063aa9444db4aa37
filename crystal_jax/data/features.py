"""What every record holds: a crystal, its id, and numbers about it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds

RESERVED = ('id', 'numbers', 'positions', 'cell')


def crystal_features(
  scalars: Mapping[str, str],
) -> tfds.features.FeaturesDict:
  """Features of a data set of crystals.

  Args:
    scalars: What each property means, with its unit, by its name; float32, NaN
      where it is missing.
  """
  return tfds.features.FeaturesDict(
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
    }
    | {
      name: tfds.features.Scalar(np.float32, doc=doc)
      for name, doc in scalars.items()
    }
  )
