"""Where the frames of an extxyz file lie, so that each is read on its own."""

from __future__ import annotations

from collections.abc import Iterator


def find(path: str) -> Iterator[tuple[int, int]]:
  """The first byte and the length of every frame.

  A frame is a line with the number of atoms, a comment, and a line an atom.
  Where that does not hold, the rest of the file is one frame, which no parser
  will take.

  Raises:
    ValueError: If there is no frame at all.
  """
  found = False
  with open(path, 'rb') as file:
    while True:
      start = file.tell()
      line = file.readline()
      if not line:
        break
      if not line.strip():
        continue
      found = True
      if not line.strip().isdigit():
        yield start, -1
        return
      for _ in range(int(line) + 1):
        if not file.readline():
          break
      yield start, file.tell() - start
  if not found:
    raise ValueError('the file is empty')


def read(path: str, start: int, size: int) -> str:
  """The text of one frame; a size of -1 is the rest of the file.

  Raises:
    ValueError: If it has no number of atoms, or fewer lines than that.
  """
  with open(path, 'rb') as file:
    file.seek(start)
    text = file.read(size).decode('utf-8', 'replace')
  first = text.split('\n', 1)[0].strip()
  lines = text.count('\n') + (not text.endswith('\n'))
  # A parser would look for them for long.
  if not first.isdecimal() or lines < int(first) + 2:
    raise ValueError(f'cannot be read: no frame of {first[:20]!r} atoms')
  return text
