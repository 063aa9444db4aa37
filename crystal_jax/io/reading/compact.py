"""Crystals in compact npz files: all atoms one after another, read in one go.

A file holds `numbers` [atoms], `frac` [atoms, 3] (fractional coordinates),
`cell` [crystals, 3, 3] (rows, Å), `offsets` [crystals + 1] (crystal i owns
atoms offsets[i]:offsets[i+1]), `ids` [crystals], and one number a crystal for
each property.
"""

from __future__ import annotations

import os
import zipfile

import numpy as np

NEEDED = ('numbers', 'frac', 'cell', 'offsets', 'ids')


def read_file(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """The columns of a compact file, checked; nothing in it is unpickled.

  Raises:
    ValueError: If it is damaged, lacks a column, or the columns disagree.
  """
  try:
    with (
      open(path, 'rb') as opened,
      np.load(opened, allow_pickle=False) as file,
    ):
      columns = {name: file[name] for name in file.files}
  except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
    if isinstance(error, FileNotFoundError):
      raise
    raise ValueError(f'{path}: cannot be read as npz: {error}') from error
  missing = [name for name in NEEDED if name not in columns]
  if missing:
    raise ValueError(f'{path}: no compact file, since it lacks {missing}.')
  offsets = columns['offsets']
  atoms, crystals = len(columns['numbers']), len(columns['ids'])
  whole = (
    offsets.shape == (crystals + 1,)
    and offsets.dtype.kind in 'iu'
    and offsets[0] == 0
    and offsets[-1] == atoms
    and (np.diff(offsets.astype(np.int64)) >= 0).all()
    and columns['numbers'].shape == (atoms,)
    and columns['frac'].shape == (atoms, 3)
    and columns['cell'].shape == (crystals, 3, 3)
  )
  if not whole:
    shapes = {name: columns[name].shape for name in NEEDED}
    raise ValueError(f'{path}: its columns do not belong together: {shapes}.')
  return columns
