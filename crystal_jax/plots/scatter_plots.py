"""Scatter plots side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure


class Panel(NamedTuple):
  """Points of one scatter plot.

  Attributes:
    x_label: Label of the x axis.
    y_label: Label of the y axis.
    x: Values along x.
    y: Values along y.
    diagonal: Whether to draw the line y = x.
  """

  x_label: str
  y_label: str
  x: np.ndarray
  y: np.ndarray
  diagonal: bool


def scatter(panels: Sequence[Panel]) -> Figure:
  """Scatter plots side by side."""
  figure = Figure(figsize=(3.3 * len(panels), 3), layout='constrained')
  axes = figure.subplots(1, len(panels), squeeze=False)[0]
  for ax, panel in zip(axes, panels, strict=True):
    x, y = panel.x, panel.y
    ax.scatter(x, y, s=6, alpha=0.3, linewidths=0)
    if panel.diagonal and len(x):
      ends = [min(x.min(), y.min()), max(x.max(), y.max())]
      ax.plot(ends, ends, 'k-', lw=0.5)
    ax.set_xlabel(panel.x_label, fontsize=8)
    ax.set_ylabel(panel.y_label, fontsize=8)
    ax.tick_params(labelsize=7)
  return figure
