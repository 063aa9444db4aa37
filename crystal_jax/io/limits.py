"""Reading of compressed files within a limit of size."""

from __future__ import annotations

import os

import ase.io.formats

# Bytes that a compressed file may expand to: 50 times its size (crystals as
# text compress 3 to 10 times), at least 64 MB and at most 1 GB.
_MAX_RATIO = 50
_MIN_EXPANDED, _MAX_EXPANDED = 64 << 20, 1 << 30

_BLOCK = 1 << 20


def read_bytes(path: str | os.PathLike[str]) -> bytes:
  """Content of a file, decompressed if its name ends with .gz, .bz2 or .xz.

  Raises:
    ValueError: If it is compressed and expands to far more than its size.
  """
  size, blocks = 0, []
  packed = os.path.getsize(path)
  limit = min(max(_MIN_EXPANDED, _MAX_RATIO * packed), _MAX_EXPANDED)
  limit = max(limit, packed)
  with ase.io.formats.open_with_compression(str(path), 'rb') as file:
    while block := file.read(_BLOCK):
      size += len(block)
      if size > limit:
        raise ValueError(f'expands to more than {limit >> 20} MB')
      blocks.append(block)
  return b''.join(blocks)
