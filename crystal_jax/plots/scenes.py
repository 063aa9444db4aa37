"""Pictures of atoms from two sides."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from crystal_jax.plots.drawing import legend


class Scene(NamedTuple):
  """Atoms to be drawn.

  Attributes:
    positions: Positions, Å.
    numbers: Atomic numbers.
    origin: A corner of the cell whose edges are drawn, Å. None: no edges.
    cell: Lattice vectors of that cell as rows, Å.
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


def atoms(scenes: Mapping[str, Scene]) -> Figure:
  """Atoms from the top and from the front, with a legend of the elements.

  Heavier atoms are larger, farther ones are paler; lines are the edges of the
  cell.

  Args:
    scenes: Atoms by title.
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
  legend(figure, np.concatenate([s.numbers for s in scenes.values()]))
  return figure
