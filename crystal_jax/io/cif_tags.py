"""Values of a CIF block by tag, whatever the spelling of the tag.

`_space_group_name_H-M_alt`, `_space_group.name_H-M_alt` and
`_space_group_name_H-M_alt_` are one tag: letters become lower case, runs of
characters other than letters and digits become one underscore, and outer
underscores are dropped.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:  # Only reading a CIF needs it at run time.
  import gemmi

_UNKNOWN = '.', '?'


class Tags:
  """Columns of a block by canonical tag.

  A loop is a set of columns; one value outside a loop is a column of one.
  """

  def __init__(self, block: gemmi.cif.Block):
    self._columns: dict[str, Callable[[], list[str]]] = {}
    self._loops: dict[str, int] = {}
    spellings: dict[str, str] = {}
    for loop, (tag, read) in _columns(block):
      name = canonical(tag)
      if name in self._columns:
        same = spellings[name].lower() == tag.lower()
        if same or self._columns[name]() != read():
          raise ValueError(f'{tag} is there twice; delete one of them')
      self._columns[name], self._loops[name] = read, loop
      spellings[name] = tag
    self.spellings = spellings

  def __contains__(self, name: str) -> bool:
    return name in self._columns

  def __iter__(self) -> Iterator[str]:
    return iter(self._columns)

  def column(self, name: str) -> list[str]:
    """All values of a tag, unquoted; empty if the block lacks the tag."""
    if name not in self._columns:
      return []
    # Few values are quoted; unquoting is slow.
    return [
      _unquote(value) if value[:1] in ('"', "'", ';') else value
      for value in self._columns[name]()
    ]

  def known(self, name: str) -> list[str]:
    """The distinct values of a tag that are neither '.' nor '?'."""
    values = [value.strip() for value in self.column(name)]
    return list(dict.fromkeys(v for v in values if v and v not in _UNKNOWN))

  def value(self, name: str) -> str | None:
    """The one value of a tag; None if it is missing or unknown.

    Raises:
      ValueError: If the tag has several values.
    """
    values = self.known(name)
    if len(values) > 1:
      raise ValueError(
        f'_{name} has several values: {", ".join(values[:3])}; keep one of them'
      )
    return values[0] if values else None

  def keep_rows(self, name: str, kept: list[bool]) -> None:
    """Keeps the marked rows of the loop that contains a tag."""
    for tag, loop in self._loops.items():
      if loop == self._loops[name]:
        rows = itertools.compress(self._columns[tag](), kept)
        self._columns[tag] = functools.partial(list, [*rows])

  def are_one_loop(self, names: Iterable[str]) -> bool:
    """Whether those of the tags that the block has are in the same loop."""
    return len({self._loops[n] for n in names if n in self._loops}) <= 1


def number(value: str) -> float:
  """A number, with or without its uncertainty: 0.305(2); otherwise NaN."""
  import gemmi

  return gemmi.cif.as_number(value)


def numbers(values: list[str], meaning: str) -> Float[np.ndarray, 'S']:
  """Numbers of a column.

  Raises:
    ValueError: If one of the values is not a number.
  """
  column = np.array([number(value) for value in values])
  if np.isnan(column).any():
    index = int(np.argmax(np.isnan(column)))
    raise ValueError(
      f'{meaning} that are no numbers: {values[index]!r} in entry {index + 1}; '
      'write decimal numbers'
    )
  return column


@functools.lru_cache(maxsize=4096)
def canonical(tag: str) -> str:
  """The canonical form of a tag: 'space_group_name_h_m_alt'."""
  return re.sub('[^a-z0-9]+', '_', tag.lower()).strip('_')


def _columns(block) -> Iterator[tuple[int, tuple[str, Callable]]]:
  """Loop number (a pair is a loop of its own), tag and values of each tag."""
  for index, item in enumerate(block):
    if item.loop is not None:
      width, values = item.loop.width(), item.loop.values
      for column, tag in enumerate(item.loop.tags):
        yield index, (tag, functools.partial(_stride, values, column, width))
    elif item.pair is not None:
      tag, value = item.pair
      yield -1, (tag, functools.partial(list, (value,)))


def _stride(values, first: int, step: int) -> list[str]:
  return list(values)[first::step]


def _unquote(value: str) -> str:
  import gemmi

  if len(value) > 5 and value[:3] == value[-3:] in ("'''", '"""'):  # CIF 2.
    return value[3:-3]
  return gemmi.cif.as_string(value)
