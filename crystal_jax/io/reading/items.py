"""Items to read, and items that are skipped."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Item:
  """One item to read: a file, or one crystal or block of a file.

  Attributes:
    kind: 'cif', 'vasp', 'extxyz', 'shelx', 'pdb' or 'json': a file; 'text': a
      CIF in a table; 'frame', 'db', 'npz' or 'jsonl': one crystal of many in a
      file; 'parquet': some rows of a row group.
    path: The file's path.
    name: Name for messages, of printable characters.
    id: The crystal's id; #0, #1, .. are appended for several crystals.
    index: Row in its file, first byte of a frame or line, or row group.
    size: Bytes of a frame, or first row in the row group.
    text: The CIF of a table's row.
    properties: Other columns of a table's row.
  """

  kind: str
  path: str
  name: str
  id: str
  index: int = 0
  size: int = 0
  text: str = ''
  properties: dict[str, float | str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Skip:
  """An item that is skipped.

  Attributes:
    file: Name of the file, with row or frame.
    id: The crystal's id.
    reason: Why it is not read, in a few words.
    is_ignorable: Whether nothing marks the item as a crystal file; folders skip
      it silently.
  """

  file: str
  id: str
  reason: str
  is_ignorable: bool = False
