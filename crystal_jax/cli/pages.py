"""`index.html` beside written crystals: pairs, a film strip or a gallery."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator, Sequence

from crystal_jax import viewer

# Name of the page in the folder.
NAME = 'index.html'
# Crystals of one page, which is then 2 MB at most.
MAX_CRYSTALS = 100
# Panels of a gallery that are on the screen together. Browsers draw up to 16.
_GALLERY = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """The option that leaves the page out."""
  parser.add_argument(
    '--no-page',
    action='store_true',
    help=f'write no {NAME}, the interactive page of the first {MAX_CRYSTALS} '
    'crystals',
  )


class Page:
  """Collects the first crystals of a run, and writes their page."""

  def __init__(self, args: argparse.Namespace):
    """Starts an empty page.

    Args:
      args: Arguments of `add_arguments`, and the folder `out`.
    """
    self._path: pathlib.Path | None = None if args.no_page else args.out / NAME
    self._rows: list[list[viewer.Panel]] = []

  @property
  def is_open(self) -> bool:
    """Whether the page takes another crystal."""
    return self._path is not None and len(self._rows) < MAX_CRYSTALS

  def add(self, *panels: viewer.Panel) -> None:
    """Adds the panels of one crystal."""
    if self.is_open:
      self._rows.append([*panels])

  def write(self, title: str, *, gallery: bool = False) -> str:
    """Writes the page, and returns a message for the user.

    Args:
      title: Title of the page.
      gallery: Whether several crystals are in one row.
    """
    if self._path is None or not self._rows:
      return ''
    rows = self._rows
    if gallery:
      rows = [*_grouped([panel for row in rows for panel in row])]
    viewer.write_page(self._path, rows, title=title)
    return f'look at {self._path}'


def _grouped(panels: Sequence[viewer.Panel]) -> Iterator[list[viewer.Panel]]:
  for start in range(0, len(panels), _GALLERY):
    yield [*panels[start : start + _GALLERY]]
