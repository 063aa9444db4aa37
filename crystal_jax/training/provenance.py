"""Provenance of a run's data, in `data.json` beside its checkpoints.

It holds the elements of the training crystals, and the names and digests of
their files. From it a codec of the run knows which elements it was trained on,
without the data set. Folders of the files are private and left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any

import jax
import numpy as np

from crystal_jax import data
from crystal_jax.io import atomic
from crystal_jax.structure import elements
from crystal_jax.training.run import Run

FILE = 'data.json'


def write(workdir: str | os.PathLike[str], run: Run) -> None:
  """Writes the provenance of a run, in the first process only."""
  if jax.process_index():
    return
  config = run.config.data
  sources = data.load_splits(
    config.builder,
    config.train_split,
    config.data_dir or None,
    config.manual_dir or None,
  )
  arrays = run.arrays['train']
  has_atoms = 'numbers' in arrays
  numbers = np.flatnonzero(data.count_atoms(arrays)) if has_atoms else None
  builders = [
    pathlib.PurePath(name.strip()).name for name in config.builder.split(',')
  ]
  provenance = {
    'elements': (
      None if numbers is None else [*map(elements.symbol, numbers.tolist())]
    ),
    'data': {
      'builder': ','.join(builders),
      'split': config.train_split,
      'crystals': len(arrays['id']),
      'files': {
        # Files of several data sets may have the same name.
        '/'.join(
          [name] * (len(sources) > 1) + [pathlib.Path(path).name]
        ): _digest(path)
        for name, source in zip(builders, sources, strict=True)
        for path in getattr(source, 'files', ())
      },
    },
  }
  path = pathlib.Path(workdir) / FILE
  with atomic.replacing(path) as partial:
    text = json.dumps(provenance, indent=2) + '\n'
    partial.write_text(text, encoding='utf-8')


def read(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """The provenance of a run; empty if there is none."""
  path = pathlib.Path(workdir) / FILE
  return json.loads(path.read_text('utf-8')) if path.is_file() else {}


def _digest(path) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
