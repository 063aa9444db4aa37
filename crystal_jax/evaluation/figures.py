"""The figures: densities, species maps and atoms, target beside prediction.

Every function takes arrays and returns a matplotlib Figure of its own; nothing
is drawn on a screen and no global state of pyplot is touched.
"""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from jaxtyping import Float, Int
from matplotlib.figure import Figure

_DENSITY = 'magma'


def densities(
  target: Float[np.ndarray, 'G G G'], predicted: Float[np.ndarray, 'G G G']
) -> Figure:
  """One plane of both densities, as they are and each over its own maximum.

  Unscaled, the two share a colour scale, so that what is too weak looks weak;
  scaled, the shapes compare even so. The plane is the target's fullest.
  """
  plane = int(np.argmax(target.sum(axis=(0, 1))))
  top = float(target[..., plane].max()) or 1.0
  figure = Figure(figsize=(10, 2.6), layout='constrained')
  axes = figure.subplots(1, 4)
  pairs = [('target', target), ('prediction', predicted)]
  for ax, (name, field) in zip(axes[:2], pairs, strict=True):
    image = ax.imshow(
      field[..., plane].T, origin='lower', cmap=_DENSITY, vmin=0, vmax=top
    )
    ax.set_title(f'{name}, Å⁻³', fontsize=9)
    figure.colorbar(image, ax=ax, shrink=0.8)
  for ax, (name, field) in zip(axes[2:], pairs, strict=True):
    own = float(field[..., plane].max()) or 1.0
    ax.imshow(
      field[..., plane].T / own, origin='lower', cmap=_DENSITY, vmin=0, vmax=1
    )
    ax.set_title(f'{name}, scaled', fontsize=9)
  _bare(axes)
  return figure


def row(fields: Float[np.ndarray, 'B G G G']) -> Figure:
  """Occupancies side by side, each as bright as its brightest along z."""
  figure = Figure(figsize=(1.5 * len(fields), 1.6), layout='constrained')
  axes = figure.subplots(1, len(fields))
  for ax, field in zip(axes, fields, strict=True):
    ax.imshow(
      field.max(axis=-1).T, origin='lower', cmap=_DENSITY, vmin=0, vmax=1
    )
  _bare(axes)
  return figure


def species_maps(
  target: Int[np.ndarray, 'G G G'], predicted: Int[np.ndarray, 'G G G']
) -> Figure:
  """One plane of both species maps, elements in their usual colours."""
  plane = int(np.argmax((target > 0).sum(axis=(0, 1))))
  figure = Figure(figsize=(5, 2.6), layout='constrained')
  axes = figure.subplots(1, 2)
  palette = np.array(jmol_colors)
  palette[0] = 0.0
  for ax, (name, field) in zip(
    axes, [('target', target), ('prediction', predicted)], strict=True
  ):
    ax.imshow(palette[field[..., plane].T], origin='lower')
    ax.set_title(f'{name}, species', fontsize=9)
  _bare(axes)
  return figure


def atoms(
  target: tuple[Float[np.ndarray, 'N 3'], Int[np.ndarray, 'N']],
  predicted: tuple[Float[np.ndarray, 'K 3'], Int[np.ndarray, 'K']],
) -> Figure:
  """Positions (Å) and species of both, from the top and from the front.

  Heavier atoms are drawn larger; the farther ones are paler.
  """
  figure = Figure(figsize=(10, 2.8), layout='constrained')
  axes = figure.subplots(1, 4)
  views = [('top', (0, 1, 2)), ('front', (0, 2, 1))]
  both = np.concatenate([target[0], predicted[0]])
  low, high = both.min(0) - 1, both.max(0) + 1
  panels = [
    (n, s, v)
    for v in views
    for n, s in [('target', target), ('prediction', predicted)]
  ]
  for ax, (name, (positions, numbers), (view, (x, y, depth))) in zip(
    axes, panels, strict=True
  ):
    ax.set(xlim=(low[x], high[x]), ylim=(low[y], high[y]), aspect='equal')
    ax.set_title(f'{name}, {view}, Å', fontsize=9)
    ax.tick_params(labelsize=7)
    if not len(positions):
      continue
    order = np.argsort(positions[:, depth])
    span = max(float(high[depth] - low[depth]), 1e-6)
    near = (positions[order, depth] - low[depth]) / span
    ax.scatter(
      positions[order, x],
      positions[order, y],
      s=120 * covalent_radii[numbers[order]] ** 2,
      c=jmol_colors[numbers[order]],
      alpha=0.35 + 0.6 * np.clip(near, 0, 1),
      edgecolors='black',
      linewidths=0.5,
    )
  return figure


def against(
  panels: Sequence[tuple[str, str, np.ndarray, np.ndarray, bool]],
) -> Figure:
  """Points, one panel each.

  Args:
    panels: What is along x, what along y, the values of both, and whether both
      ought to be the same, for which a line is drawn.
  """
  figure = Figure(figsize=(3.3 * len(panels), 3), layout='constrained')
  axes = figure.subplots(1, len(panels), squeeze=False)[0]
  for ax, (along, up, x, y, alike) in zip(axes, panels, strict=True):
    ax.scatter(x, y, s=6, alpha=0.3, linewidths=0)
    if alike:
      ends = [min(x.min(), y.min()), max(x.max(), y.max())]
      ax.plot(ends, ends, 'k-', lw=0.5)
    ax.set_xlabel(along, fontsize=8)
    ax.set_ylabel(up, fontsize=8)
    ax.tick_params(labelsize=7)
  return figure


def curves(rows: Sequence[Mapping]) -> Figure:
  """Losses over steps, training and held-out, one panel a metric.

  Args:
    rows: Of `metrics.jsonl`: `step`, `split` and metrics.
  """
  names = [n for n in rows[0] if n == 'loss' or n.startswith('loss_')]
  names += [n for n in ('species_iou',) if n in rows[0]]
  figure = Figure(figsize=(2.6 * len(names), 2.4), layout='constrained')
  for ax, name in zip(
    figure.subplots(1, len(names), squeeze=False)[0], names, strict=True
  ):
    for split, style in [('train', '-'), ('heldout', 'o--')]:
      points = [(r['step'], r[name]) for r in rows if r['split'] == split]
      if points:
        ax.plot(*zip(*points, strict=True), style, ms=3, lw=1, label=split)
    if name != 'species_iou' and all(r[name] > 0 for r in rows):
      ax.set_yscale('log')
    ax.set_title(name, fontsize=9)
    ax.set_xlabel('step', fontsize=8)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7)
  return figure


def to_data_uri(figure: Figure) -> str:
  """The figure as a PNG inside an address, so that a page stands alone."""
  stream = io.BytesIO()
  figure.savefig(stream, format='png', dpi=90)
  return 'data:image/png;base64,' + base64.b64encode(stream.getvalue()).decode()


def _bare(axes):
  for ax in axes:
    ax.set_xticks([])
    ax.set_yticks([])
