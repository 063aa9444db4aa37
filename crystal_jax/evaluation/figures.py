"""Figures of densities, species maps and atoms, target beside prediction.

Every function takes arrays and returns a matplotlib Figure of its own; nothing
is drawn on a screen, and pyplot's global state is untouched.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_COLOR_MAP = 'magma'


class Scene(NamedTuple):
  """Atoms to be drawn.

  Attributes:
    positions: Å.
    numbers: Atomic numbers.
    origin: A corner of the cell whose edges are drawn, Å. None: no edges.
    cell: Its lattice vectors as rows, Å.
  """

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  origin: Float[np.ndarray, '3'] | None = None
  cell: Float[np.ndarray, '3 3'] | None = None

  def edges(self) -> Float[np.ndarray, 'E 2 3']:
    """Ends of the edges of the cell; without a cell there are none."""
    if self.cell is None or self.origin is None:
      return np.zeros((0, 2, 3))
    corners = np.array(list(itertools.product((0, 1), repeat=3)))
    ends = [
      (corner, corner + step)
      for corner in corners
      for step in np.eye(3, dtype=int)
      if corner @ step == 0
    ]
    return self.origin + np.array(ends) @ self.cell


def densities(
  target: Float[np.ndarray, 'G G G'],
  predicted: Float[np.ndarray, 'G G G'],
  unit: str,
) -> Figure:
  """One plane of both densities, on a common scale and each on its own.

  On the common scale a density that is too low is dark; on its own scale its
  shape can still be compared. The plane is the one with most of the target.

  Args:
    target: The true density.
    predicted: The decoded density.
    unit: Of both.
  """
  plane = int(np.argmax(target.sum(axis=(0, 1))))
  maximum = float(target[..., plane].max()) or 1.0
  figure = Figure(figsize=(10, 2.6), layout='constrained')
  axes = figure.subplots(1, 4)
  pairs = [('target', target), ('decoded', predicted)]
  for ax, (name, field) in zip(axes[:2], pairs, strict=True):
    image = ax.imshow(
      field[..., plane].T,
      origin='lower',
      cmap=_COLOR_MAP,
      vmin=0,
      vmax=maximum,
    )
    ax.set_title(f'{name}, {unit}', fontsize=9)
    figure.colorbar(image, ax=ax, shrink=0.8)
  for ax, (name, field) in zip(axes[2:], pairs, strict=True):
    own_maximum = float(field[..., plane].max()) or 1.0
    ax.imshow(
      field[..., plane].T / own_maximum,
      origin='lower',
      cmap=_COLOR_MAP,
      vmin=0,
      vmax=1,
    )
    ax.set_title(f'{name} / its maximum', fontsize=9)
  _hide_ticks(axes)
  return figure


def occupancy_row(fields: Float[np.ndarray, 'B G G G']) -> Figure:
  """Occupancies side by side, each as its maximum along z."""
  figure = Figure(figsize=(1.5 * len(fields), 1.6), layout='constrained')
  axes = figure.subplots(1, len(fields))
  for ax, field in zip(axes, fields, strict=True):
    ax.imshow(
      field.max(axis=-1).T, origin='lower', cmap=_COLOR_MAP, vmin=0, vmax=1
    )
  _hide_ticks(axes)
  return figure


def species_maps(
  target: Int[np.ndarray, 'G G G'], predicted: Int[np.ndarray, 'G G G']
) -> Figure:
  """One plane of both species maps, elements in their usual colours."""
  plane = int(np.argmax((target > 0).sum(axis=(0, 1))))
  figure = Figure(figsize=(6, 2.6), layout='constrained')
  axes = figure.subplots(1, 2)
  palette = np.array(jmol_colors)
  palette[0] = 0.0
  maps = [('target', target), ('decoded', predicted)]
  for ax, (name, field) in zip(axes, maps, strict=True):
    ax.imshow(palette[field[..., plane].T], origin='lower')
    ax.set_title(f'{name}, species', fontsize=9)
  _hide_ticks(axes)
  numbers = np.concatenate([field[..., plane].ravel() for _, field in maps])
  _legend(figure, numbers)
  return figure


def atoms(scenes: Mapping[str, Scene]) -> Figure:
  """Atoms from the top and from the front, with a legend of the elements.

  Heavier atoms are larger, farther ones are paler; lines are the edges of the
  cell.

  Args:
    scenes: By title.
  """
  figure = Figure(figsize=(5 * len(scenes), 2.8), layout='constrained')
  axes = figure.subplots(1, 2 * len(scenes))
  views = [('top', (0, 1, 2)), ('front', (0, 2, 1))]
  points = np.concatenate(
    [
      np.concatenate([scene.positions, scene.edges().reshape(-1, 3)])
      for scene in scenes.values()
    ]
  )
  low, high = points.min(0) - 1, points.max(0) + 1
  panels = itertools.product(views, scenes.items())
  for ax, ((view, (x, y, depth)), (name, scene)) in zip(
    axes, panels, strict=True
  ):
    ax.set(xlim=(low[x], high[x]), ylim=(low[y], high[y]), aspect='equal')
    ax.set_title(f'{name}, {view}, Å', fontsize=9)
    ax.tick_params(labelsize=7)
    for edge in scene.edges():
      ax.plot(edge[:, x], edge[:, y], color='gray', lw=0.6, zorder=0)
    order = np.argsort(scene.positions[:, depth])
    positions, numbers = scene.positions[order], scene.numbers[order]
    span = max(float(high[depth] - low[depth]), 1e-6)
    nearness = (positions[:, depth] - low[depth]) / span
    ax.scatter(
      positions[:, x],
      positions[:, y],
      s=120 * covalent_radii[numbers] ** 2,
      c=jmol_colors[numbers],
      alpha=0.35 + 0.6 * np.clip(nearness, 0, 1),
      edgecolors='black',
      linewidths=0.5,
    )
  _legend(figure, np.concatenate([s.numbers for s in scenes.values()]))
  return figure


def to_data_uri(figure: Figure) -> str:
  """The figure as a PNG in a data URI, so that a page needs no other file."""
  stream = io.BytesIO()
  figure.savefig(stream, format='png', dpi=90)
  return 'data:image/png;base64,' + base64.b64encode(stream.getvalue()).decode()


def _legend(figure: Figure, numbers: Int[np.ndarray, 'N']) -> None:
  """Names the colours of the elements, to the right of the panels."""
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


def _hide_ticks(axes: Sequence) -> None:
  for ax in axes:
    ax.set_xticks([])
    ax.set_yticks([])
