"""Pages: rows of panels, one row on the screen at a time."""

from __future__ import annotations

import html
import json
import os
import pathlib
import string
from collections.abc import Sequence

from crystal_jax.structure.crystal import Crystal
from crystal_jax.viewer.scene import Panel, scene

_STATIC = pathlib.Path(__file__).parent / 'static'


def page(
  rows: Sequence[Sequence[Panel]], *, title: str = '', spin: bool = False
) -> str:
  """An HTML page that opens offline.

  Args:
    rows: Crystals that are shown side by side; a slider chooses the row. A
      film strip has one panel a row, a page of pairs two.
    title: Heading of the page.
    spin: Whether the crystals rotate from the start.

  Raises:
    ValueError: If there is no panel.
  """
  if not any(rows):
    raise ValueError('No crystal to show: need at least one panel.')
  data = {
    'rows': [[scene(panel) for panel in row] for row in rows],
    'spin': spin,
  }
  template = string.Template(_read('page.html'))
  return template.substitute(
    title=html.escape(title or 'crystal_jax'),
    library=_read('3Dmol-min.js'),
    # '</' would end the script element.
    data=json.dumps(data, separators=(',', ':')).replace('</', '<\\/'),
    script=_read('page.js'),
  )


def write_page(
  path: str | os.PathLike[str],
  rows: Sequence[Sequence[Panel]],
  *,
  title: str = '',
) -> None:
  """Writes `page` to a file."""
  pathlib.Path(path).write_text(page(rows, title=title), encoding='utf-8')


class Display:
  """A page inside a notebook."""

  def __init__(self, text: str, height: int = 480):
    """Keeps the page.

    Args:
      text: HTML as returned by `page`.
      height: Height of the frame, pixels.
    """
    self.text, self.height = text, height

  def _repr_html_(self) -> str:
    return (
      f'<iframe srcdoc="{html.escape(self.text, quote=True)}" width="100%" '
      f'height="{self.height}" style="border:0"></iframe>'
    )


def show(crystals: Crystal | Sequence[Crystal]) -> Display:
  """One crystal or a film strip of several, rotating, in a notebook."""
  several = [crystals] if isinstance(crystals, Crystal) else crystals
  return Display(page([[Panel(each)] for each in several], spin=True))


def _read(name: str) -> str:
  return (_STATIC / name).read_text('utf-8')
