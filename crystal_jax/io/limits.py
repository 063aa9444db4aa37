"""Reading of compressed files, up to a limit of the expanded size."""

from __future__ import annotations

import os

import ase.io.formats

# Limit of the bytes that a compressed file expands to: 50 times its size
# (crystals as text compress 3 to 10 times), but no less than 64 MB and no more
# than 1 GB.
_MAX_RATIO = 50
_MIN_LIMIT, _MAX_LIMIT = 64 << 20, 1 << 30

_BLOCK = 1 << 20  # Bytes per read.


def read_bytes(path: str | os.PathLike[str]) -> bytes:
  """Content of a file, decompressed if its name ends with .gz, .bz2 or .xz.

  Raises:
    ValueError: If it is compressed and expands beyond the limit.
  """
  size, blocks = 0, []
  file_size = os.path.getsize(path)
  limit = min(max(_MIN_LIMIT, _MAX_RATIO * file_size), _MAX_LIMIT)
  limit = max(limit, file_size)
  with ase.io.formats.open_with_compression(str(path), 'rb') as file:
    while block := file.read(_BLOCK):
      size += len(block)
      if size > limit:
        raise ValueError(f'expands to more than {limit >> 20} MB')
      blocks.append(block)
  return b''.join(blocks)
