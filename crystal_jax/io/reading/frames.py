"""Byte ranges of the frames of an extxyz file, which are parsed one by one."""

from __future__ import annotations

from collections.abc import Iterator

_MAX_DIGITS = 20  # Maximum digits of a number of atoms.
_MAX_LINE = 1 << 26  # Maximum length of a line, bytes.


def find(path: str) -> Iterator[tuple[int, int]]:
  """The first byte and the length of every frame.

  A frame is a line with the number of atoms, a comment, and a line per atom.
  Text that does not begin with a number is one last frame, of length -1, which
  no parser takes.

  Raises:
    ValueError: If the file has no frame.
  """
  found = False
  with open(path, 'rb') as file:
    while True:
      start = file.tell()
      line = file.readline(_MAX_LINE)
      if not line:
        break
      if not line.strip():
        continue
      found = True
      if not line.strip().isdigit() or len(line) > _MAX_DIGITS:
        yield start, -1
        return
      for _ in range(int(line) + 1):
        if not file.readline(_MAX_LINE):
          break
      yield start, file.tell() - start
  if not found:
    raise ValueError('the file is empty')


def read(path: str, start: int, size: int) -> str:
  """The text of one frame; a size of -1 is the rest of the file.

  Raises:
    ValueError: If the frame has no number of atoms, or fewer lines than atoms.
  """
  with open(path, 'rb') as file:
    file.seek(start)
    text = file.read(size).decode('utf-8', 'replace')
  first = text.split('\n', 1)[0].strip()
  lines = text.count('\n') + (not text.endswith('\n'))
  # Checked before parsing, since a wrong count is slow to parse.
  is_count = first.isdecimal() and len(first) <= _MAX_DIGITS
  if not is_count or lines < int(first) + 2:
    raise ValueError(
      f'cannot be read: no frame of {first[:20]!r} atoms; need their number, a '
      'line with the lattice, and a line per atom'
    )
  return text
