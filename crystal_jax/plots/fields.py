"""Densities, occupancies and species on a grid, as planes and projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase.data.colors import jmol_colors
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crystal_jax.plots.drawing import COLOR_MAP, hide_ticks, legend

# What `densities` can show of a field, and what stands beside it.
VIEWS = {
  'largest': 'plane of constant z with most of it',
  'top': 'maximum along z',
  'front': 'maximum along y',
}


def densities(
  fields: Mapping[str, Float[np.ndarray, 'G G G']],
  unit: str = 'weight/Å³',
  views: Sequence[str] = ('largest',),
) -> Figure:
  """Densities side by side: on a common scale, then each on its own.

  On the common scale, that of the first field, a density that is too low is
  dark; on its own scale its shape can still be compared. Axes are x to the
  right; y, or z from the front, upwards.

  Args:
    fields: Densities by title; the first is the reference.
    unit: Unit of all densities.
    views: One row of pictures each. 'largest': the plane normal to z with the
      largest sum of the first density. 'top' and 'front': maxima along z and y.

  Raises:
    ValueError: If there is no field, shapes differ, or a view is unknown.
  """
  arrays = {name: np.asarray(field) for name, field in fields.items()}
  if not arrays or len({array.shape for array in arrays.values()}) > 1:
    shapes = [array.shape for array in arrays.values()]
    raise ValueError(f'Need fields of one shape [G, G, G], not {shapes}.')
  unknown = [view for view in views if view not in VIEWS]
  if unknown or not views:
    raise ValueError(f'Need views of {[*VIEWS]}, not {[*views]}.')
  figure = Figure(
    figsize=(2.5 * 2 * len(arrays), 2.6 * len(views)), layout='constrained'
  )
  axes = figure.subplots(len(views), 2 * len(arrays), squeeze=False)
  reference = next(iter(arrays.values()))
  plane = int(np.argmax(reference.sum(axis=(0, 1))))
  for row, view in zip(axes, views, strict=True):
    images = {n: _view(array, view, plane) for n, array in arrays.items()}
    maximum = float(images[next(iter(images))].max()) or 1.0
    for ax, (name, image) in zip(row, images.items(), strict=False):
      mappable = _draw(ax, image, maximum)
      ax.set_title(f'{name}, {unit}', fontsize=9)
    figure.colorbar(mappable, ax=row[: len(images)], shrink=0.8)
    for ax, (name, image) in zip(
      row[len(images) :], images.items(), strict=True
    ):
      _draw(ax, image, float(image.max()) or 1.0)
      ax.set_title(f'{name} / its maximum', fontsize=9)
    row[0].set_ylabel(f'{view}:\n{VIEWS[view]}', fontsize=7)
  hide_ticks(axes.flat)
  return figure


def _view(
  field: Float[np.ndarray, 'G G G'], view: str, plane: int
) -> Float[np.ndarray, 'G G']:
  if view == 'largest':
    return field[..., plane]
  return field.max(axis=2 if view == 'top' else 1)


def _draw(ax: Axes, image: Float[np.ndarray, 'G G'], maximum: float):
  return ax.imshow(
    image.T, origin='lower', cmap=COLOR_MAP, vmin=0, vmax=maximum
  )


def occupancy_row(fields: Float[np.ndarray, 'B G G G']) -> Figure:
  """Occupancies side by side, each as its maximum along z."""
  figure = Figure(figsize=(1.5 * len(fields), 1.6), layout='constrained')
  axes = figure.subplots(1, len(fields), squeeze=False)[0]
  for ax, field in zip(axes, fields, strict=True):
    ax.imshow(
      field.max(axis=-1).T, origin='lower', cmap=COLOR_MAP, vmin=0, vmax=1
    )
  hide_ticks(axes)
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
  hide_ticks(axes)
  numbers = np.concatenate([field[..., plane].ravel() for _, field in maps])
  legend(figure, numbers)
  return figure
