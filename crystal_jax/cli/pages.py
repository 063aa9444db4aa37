"""`index.html`, a page of rotatable crystals beside the files of a command.

A crystal has a row of panels (`reconstruct`: before and after), or one panel in
a gallery (`sample`).
"""

from __future__ import annotations

import argparse
import pathlib

from crystal_jax import viewer

# Name of the page in the output folder.
NAME = 'index.html'
# Maximum number of crystals of a page. With 100 a page is smaller than 2 MB.
MAX_CRYSTALS = 100
# Panels in a row of a gallery. Only one row is on the screen, and a browser
# draws at most 16 panels.
_GALLERY_PANELS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the option that leaves the page out."""
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
      args: Options of `add_arguments`, and `out`, the output folder.
    """
    self._path: pathlib.Path | None = None if args.no_page else args.out / NAME
    self._rows: list[list[viewer.Panel]] = []

  @property
  def is_open(self) -> bool:
    """Whether `add` keeps another crystal; if not, panels need not be made."""
    return self._path is not None and len(self._rows) < MAX_CRYSTALS

  def add(self, *panels: viewer.Panel) -> None:
    """Adds the panels of one crystal, unless the page is full or left out."""
    if self.is_open:
      self._rows.append(list(panels))

  def write(self, title: str, *, gallery: bool = False) -> str:
    """Writes the page; returns a message for the user, or '' without a page.

    Args:
      title: Title of the page.
      gallery: Whether a row has the panels of several crystals. False: a row
        for each crystal.
    """
    if self._path is None or not self._rows:
      return ''
    rows = self._rows
    if gallery:
      panels = [panel for row in rows for panel in row]
      starts = range(0, len(panels), _GALLERY_PANELS)
      rows = [panels[start : start + _GALLERY_PANELS] for start in starts]
    viewer.write_page(self._path, rows, title=title)
    return f'look at {self._path}'
