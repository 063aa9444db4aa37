"""Parts shared by figures: element colours, bare axes, PNG as data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

import numpy as np
from ase.data import chemical_symbols
from ase.data.colors import jmol_colors
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Colour map of densities and occupancies.
COLOR_MAP = 'magma'


def to_data_uri(figure: Figure) -> str:
  """The figure as a PNG in a data URI, for pages without other files."""
  stream = io.BytesIO()
  figure.savefig(stream, format='png', dpi=90)
  return 'data:image/png;base64,' + base64.b64encode(stream.getvalue()).decode()


def legend(figure: Figure, numbers: Int[np.ndarray, 'N']) -> None:
  """Adds a legend of element colours to the right of the panels."""
  handles = [
    Line2D(
      [],
      [],
      marker='o',
      ls='',
      mfc=jmol_colors[z],
      mec='black',
      mew=0.5,
      label=chemical_symbols[z],
    )
    for z in np.unique(numbers[numbers > 0]).tolist()
  ]
  if handles:
    figure.legend(handles=handles, loc='outside right center', fontsize=8)


def hide_ticks(axes: Iterable[Axes]) -> None:
  """Removes ticks and their labels."""
  for ax in axes:
    ax.set_xticks([])
    ax.set_yticks([])
