"""Where the weights of a codec lie: shipped by name, or anywhere by path."""

from __future__ import annotations

import os
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / 'weights'


def names() -> list[str]:
  """Names of the shipped codecs."""
  return sorted(path.parent.name for path in FOLDER.glob('*/card.json'))


def find(name: str | os.PathLike[str]) -> pathlib.Path:
  """The folder of a codec.

  Args:
    name: A shipped codec's name, such as 'mp_20'; or a path, which is a
      `pathlib.Path` or has a separator in it ('./mine').

  Raises:
    FileNotFoundError: If no codec of this name is shipped. A path is returned
      as it is, whether or not it exists.
  """
  separators = {os.sep, os.altsep or os.sep}
  if not isinstance(name, str) or separators & set(name):
    return pathlib.Path(name)
  if name in names():
    return FOLDER / name
  raise FileNotFoundError(
    f'No codec {name!r} is shipped, only {", ".join(names()) or "none"}; for a '
    f'folder, give a path with a separator: ./{name}.'
  )
