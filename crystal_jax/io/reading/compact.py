"""Packed npz files: the atoms of many crystals concatenated, with offsets.

A file holds `numbers` [atoms], `frac` [atoms, 3] (fractional coordinates),
`cell` [crystals, 3, 3] (rows, Å), `offsets` [crystals + 1] (crystal i owns
atoms offsets[i]:offsets[i+1]), `ids` [crystals], and one array [crystals] for
each scalar, NaN where missing. Arrays of other shapes are no scalars; they are
ignored.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np

from crystal_jax.io import atomic

NEEDED = ('numbers', 'frac', 'cell', 'offsets', 'ids')

# Arguments of np.savez_compressed, which cannot be names of arrays.
_RESERVED = ('file', 'allow_pickle')

# Maximum size of all arrays of a file, bytes. Ten million atoms take 0.2 GB.
_MAX_BYTES = 4 << 30
# Maximum number of arrays of a file: one per scalar; sources have at most a few
# hundred.
_MAX_ARRAYS = 10_000
_MAX_HEADER = 10_000  # Bytes of an array's header; NumPy's own limit.


def read_file(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """The checked arrays of a compact file.

  Raises:
    OSError: If it cannot be opened.
    ValueError: If it is damaged, lacks an array, or the arrays disagree.
  """
  columns = read_arrays(path)
  missing = [name for name in NEEDED if name not in columns]
  if missing:
    raise ValueError(f'{path}: not a compact file: it lacks {missing}.')
  offsets, ids = columns['offsets'], columns['ids']
  atoms, crystals = columns['numbers'].size, ids.size
  consistent = (
    ids.ndim == 1
    and ids.dtype.kind in 'USiu'
    and offsets.shape == (crystals + 1,)
    and offsets.dtype.kind in 'iu'
    and offsets[0] == 0
    and offsets[-1] == atoms
    and (offsets[1:] >= offsets[:-1]).all()
    and columns['numbers'].shape == (atoms,)
    and columns['numbers'].dtype.kind in 'iu'
    and columns['frac'].shape == (atoms, 3)
    and columns['cell'].shape == (crystals, 3, 3)
    and columns['frac'].dtype.kind == columns['cell'].dtype.kind == 'f'
  )
  if not consistent:
    arrays = {n: (columns[n].dtype.str, columns[n].shape) for n in NEEDED}
    raise ValueError(f'{path}: its columns do not belong together: {arrays}.')
  return columns


def read_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """All arrays of an npz file; unpickles nothing.

  Sizes are checked before memory is allocated: each array must be as large as
  its header says, and all together at most 4 GiB.

  Raises:
    OSError: If it cannot be opened.
    ValueError: If it is damaged or too large.
  """
  with open(path, 'rb') as file:
    try:
      return _read_members(file)
    except MemoryError as error:
      raise ValueError(f'{path}: needs too much memory') from error
    # zlib, struct, zipfile and NumPy raise many kinds.
    except Exception as error:
      reason = f'{error}' or type(error).__name__
      raise ValueError(f'{path}: cannot be read as npz: {reason}') from error


def scalar_names(columns: Mapping[str, np.ndarray]) -> list[str]:
  """Names of the scalars: arrays [crystals] of numbers."""
  shape = (len(columns['ids']),)
  return [
    name
    for name, column in columns.items()
    if name not in NEEDED
    and column.shape == shape
    and column.dtype.kind in 'fiub'
  ]


def add_scalars(
  source: str | os.PathLike[str],
  out: str | os.PathLike[str],
  scalars: Mapping[str, np.ndarray],
) -> None:
  """Copies a compact file, with further scalars in the order of its crystals.

  Args:
    source: A compact file.
    out: File to write.
    scalars: Arrays [crystals] by name; NaN where missing.

  Raises:
    OSError: If `source` cannot be opened, or `out` cannot be written.
    ValueError: If `source` is damaged, an array does not fit it, or an array is
      called 'file' or 'allow_pickle'.
  """
  columns: dict[str, Any] = read_file(source)
  for name, values in scalars.items():
    column = np.asarray(values, np.float32)
    if name in NEEDED or column.shape != (len(columns['ids']),):
      raise ValueError(
        f'{source}: the scalar {name!r} {column.shape} does not fit '
        f'{len(columns["ids"])} crystals.'
      )
    columns[name] = column
  reserved = [name for name in _RESERVED if name in columns]
  if reserved:
    raise ValueError(
      f'{source}: NumPy cannot write arrays called {reserved}; rename them.'
    )
  with atomic.replacing(out) as partial, partial.open('wb') as file:
    np.savez_compressed(file, **columns)


def write_records(
  path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]
) -> None:
  """Writes crystals as a compact file.

  Args:
    path: File to write.
    rows: Records with numbers [N], positions [N, 3] and cell [3, 3] in Å, and
      id.
  """
  fractional = [
    row['positions'] @ np.linalg.inv(row['cell']) % 1.0 for row in rows
  ]
  with atomic.replacing(path) as partial, partial.open('wb') as file:
    np.savez_compressed(
      file,
      numbers=np.concatenate([row['numbers'] for row in rows]).astype(np.uint8),
      frac=np.concatenate(fractional).astype(np.float32) % 1,
      cell=np.asarray([row['cell'] for row in rows], np.float32),
      offsets=np.cumsum([0, *(len(row['numbers']) for row in rows)]),
      ids=np.array([row['id'] for row in rows]),
    )


def _read_members(file: IO[bytes]) -> dict[str, np.ndarray]:
  """The arrays of an open npz file."""
  with zipfile.ZipFile(file) as archive:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if total > _MAX_BYTES or len(members) > _MAX_ARRAYS:
      raise ValueError(
        f'{len(members)} arrays of {total / 1e9:.1f} GB are more than '
        f'{_MAX_ARRAYS} arrays or {_MAX_BYTES / 1e9:.1f} GB'
      )
    arrays = {}
    for member in members:
      with archive.open(member) as opened:
        name = member.filename.removesuffix('.npy')
        arrays[name] = _read_array(opened, member.file_size)
    return arrays


def _read_array(file: IO[bytes], size: int) -> np.ndarray:
  """An array of `size` bytes, header included."""
  version = np.lib.format.read_magic(file)
  readers = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
  }
  if version not in readers:
    raise ValueError(f'unknown version {version} of an array')
  shape, fortran_order, dtype = readers[version](
    file, max_header_size=_MAX_HEADER
  )
  if dtype.hasobject:
    raise ValueError(
      'object arrays are not supported; store numbers or fixed-width strings'
    )
  if dtype.itemsize == 0 or min(shape, default=0) < 0:
    raise ValueError(f'an array of {dtype} {shape}')
  expected = math.prod(shape) * dtype.itemsize
  remaining = size - file.tell()
  if expected != remaining:
    raise ValueError(
      f'an array of {dtype.str} {shape} needs {expected} bytes, not {remaining}'
    )
  data = file.read(expected)
  if len(data) != expected or file.read(1):
    raise ValueError(f'an array has {len(data)} bytes, not {expected}')
  array = np.frombuffer(data, dtype)
  if not fortran_order:
    return array.reshape(shape)
  return array.reshape(shape[::-1]).transpose()
