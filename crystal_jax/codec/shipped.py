"""Folder of a codec's weights: of a shipped codec by name, or by path."""

from __future__ import annotations

import os
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / 'weights'

# Former weights that are not shipped any more, and the last commit with them.
_REMOVED = {'box30_vector@1': 'd372a89'}


def names(*, retired: bool = False) -> list[str]:
  """Names of the shipped codecs.

  Args:
    retired: Whether to include former versions ('mp_20@1'), which decode
      latents that were made with them.
  """
  found = sorted(path.parent.name for path in FOLDER.glob('*/card.json'))
  return [name for name in found if retired or '@' not in name]


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
  if name in names(retired=True):
    return FOLDER / name
  if name in _REMOVED:
    raise FileNotFoundError(
      f'{name}: these weights are not shipped any more. Commit '
      f'{_REMOVED[name]} of crystal_jax has them, as {name.split("@")[0]}.'
    )
  raise FileNotFoundError(
    f'No codec {name!r} is shipped, only {", ".join(names()) or "none"}; for a '
    f'folder, give a path with a separator: ./{name}.'
  )
