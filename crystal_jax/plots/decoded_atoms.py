"""Figure of a density and the atoms that were decoded from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

# Title of each view, and the axes of its abscissa, ordinate and line of sight.
_VIEWS = {'from the top': (0, 1, 2), 'from the front': (0, 2, 1)}


def decoded_atoms(
  density: Float[np.ndarray, 'X Y Z'],
  positions: Float[np.ndarray, 'N 3'],
  numbers: Int[np.ndarray, 'N'],
  *,
  extents: Sequence[tuple[float, float]],
  unit: str = 'Å',
) -> Figure:
  """A density, summed along the line of sight, and its atoms in two views.

  Args:
    density: The density on a grid.
    positions: Positions of the atoms, in `unit`.
    numbers: Atomic numbers, which colour the atoms.
    extents: Walls of the grid along x, y and z, in `unit`: half a voxel outside
      its first and last points.
    unit: Unit of the axes.
  """
  figure = Figure(figsize=(9, 4.2), layout='constrained')
  for ax, (title, (x, y, depth)) in zip(
    figure.subplots(1, 2), _VIEWS.items(), strict=True
  ):
    ax.imshow(
      np.asarray(density).sum(axis=depth).T,
      origin='lower',
      extent=(*extents[x], *extents[y]),
      cmap='gray_r',
    )
    ax.scatter(
      positions[:, x],
      positions[:, y],
      c=numbers,
      s=12,
      cmap='turbo',
      vmin=1,
      vmax=94,
      edgecolors='white',
      linewidths=0.5,
    )
    ax.set(title=title, xlabel=f'{"xyz"[x]}, {unit}')
    ax.set_ylabel(f'{"xyz"[y]}, {unit}')
  return figure
