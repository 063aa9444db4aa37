"""What a run was trained on, noted beside its checkpoints.

`data.json` of a workdir: the elements that its training crystals hold, and the
files they came from with their digests. A codec of the run knows from it what
it has never seen, without the data set. Names are of files alone: where they
lay is nobody's business.
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
from crystal_jax.structure import elements
from crystal_jax.training.run import Run

FILE = 'data.json'


def write(workdir: str | os.PathLike[str], run: Run) -> None:
  """Notes what a run reads; one of several processes does."""
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
  numbers = np.flatnonzero(data.count_atoms(arrays))
  builders = [
    pathlib.PurePath(name.strip()).name for name in config.builder.split(',')
  ]
  noted = {
    'elements': [elements.symbol(z) for z in numbers.tolist()],
    'data': {
      'builder': ','.join(builders),
      'split': config.train_split,
      'crystals': len(arrays['numbers']),
      'files': {
        # Of several sets, files may be called the same.
        '/'.join(
          [name] * (len(sources) > 1) + [pathlib.Path(path).name]
        ): _digest(path)
        for name, source in zip(builders, sources, strict=True)
        for path in getattr(source, 'files', ())
      },
    },
  }
  path = pathlib.Path(workdir) / FILE
  partial = path.with_suffix('.partial')
  partial.write_text(json.dumps(noted, indent=2) + '\n', encoding='utf-8')
  os.replace(partial, path)


def read(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """What was noted; nothing of a run that noted nothing."""
  path = pathlib.Path(workdir) / FILE
  return json.loads(path.read_text('utf-8')) if path.is_file() else {}


def _digest(path) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
