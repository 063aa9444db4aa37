"""Folders of codecs' weights, by the name of a shipped codec or by path."""

from __future__ import annotations

import os
import pathlib

# Folder of all shipped weights, in the installed package.
FOLDER = pathlib.Path(__file__).parents[1] / 'weights'

# Names of weights that are no longer shipped, and the last commit with them.
_REMOVED = {'box30_vector@1': 'd372a89', 'box30_vector@2': 'a924aad'}


def names(*, retired: bool = False) -> list[str]:
  """Names of the shipped codecs.

  Args:
    retired: Whether to include former versions such as 'mp_20@1', which are
      kept to decode latents that were encoded with them.
  """
  found = sorted(path.parent.name for path in FOLDER.glob('*/card.json'))
  return [name for name in found if retired or '@' not in name]


def find(name: str | os.PathLike[str]) -> pathlib.Path:
  """The folder of a codec.

  Args:
    name: A shipped codec's name, such as 'mp_20'; or a path, which is a
      `pathlib.Path` or has a separator in it ('./mine').

  Returns:
    The folder of the shipped codec; or the path, whether or not it exists.

  Raises:
    FileNotFoundError: If no codec of this name is shipped.
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
