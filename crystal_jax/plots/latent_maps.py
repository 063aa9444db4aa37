"""Maps of latents: two coordinates, coloured by a property."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

# What makes two coordinates of many.
METHODS = 'pca', 't-sne'

# Principal components that t-SNE starts from.
_COMPONENTS = 50
# Classes of a property that get a colour of their own.
_MAX_CLASSES = 20


def latent_map(
  latents: Float[np.ndarray, 'B D'],
  values: Sequence[float] | Sequence[str] | np.ndarray | None = None,
  *,
  label: str = '',
  method: str = 'pca',
  seed: int = 0,
) -> Figure:
  """Latents in a plane, coloured by a property.

  Args:
    latents: Latents as returned by `Codec.encode`. Rows of NaN are left out.
    values: A number for each crystal, or a class such as the crystal system.
      None: one colour.
    label: Name and unit of the values.
    method: One of `METHODS`; see `project`.
    seed: Random seed of t-SNE.

  Raises:
    ValueError: As `project`, or if there are not as many values as latents.
  """
  latents = np.asarray(latents)
  known = np.isfinite(latents).all(axis=1)
  points = project(latents[known], method=method, seed=seed)
  figure = Figure(figsize=(5.6, 4.4), layout='constrained')
  ax = figure.subplots()
  x, y = points.T
  if values is None:
    ax.scatter(x, y, s=8, linewidths=0)
  else:
    array = np.asarray(values)
    if len(array) != len(latents):
      raise ValueError(f'Need {len(latents)} values, not {len(array)}.')
    array = array[known]
    if array.dtype.kind in 'OUS':
      _color_classes(ax, points, array.astype(str), label)
    else:
      image = ax.scatter(x, y, s=8, c=array, cmap='viridis', linewidths=0)
      figure.colorbar(image, ax=ax, label=label)
  names = {
    'pca': 'principal component',
    't-sne': 't-SNE coordinate',
  }
  ax.set_xlabel(f'{names[method]} 1', fontsize=8)
  ax.set_ylabel(f'{names[method]} 2', fontsize=8)
  ax.tick_params(labelsize=7)
  return figure


def project(
  latents: Float[np.ndarray, 'B D'], *, method: str = 'pca', seed: int = 0
) -> Float[np.ndarray, 'B 2']:
  """Two coordinates of each latent.

  Args:
    latents: At least three, finite.
    method: 'pca': the two directions of greatest variance. 't-sne': t-SNE of
      the first 50 principal components by scikit-learn; neighbours stay
      neighbours, and distances between groups mean nothing.
    seed: Random seed of t-SNE.

  Raises:
    ValueError: If there are fewer, or the method is unknown.
    ModuleNotFoundError: If t-SNE is asked for without scikit-learn.
  """
  if method not in METHODS:
    raise ValueError(f'Need {method=} to be one of {METHODS}.')
  if len(latents) < 3:
    raise ValueError(f'Need at least three latents, not {len(latents)}.')
  centered = np.asarray(latents, np.float64)
  centered = centered - centered.mean(axis=0)
  u, s, _ = np.linalg.svd(centered, full_matrices=False)
  components = u * s
  if method == 'pca':
    return components[:, :2]
  try:
    from sklearn.manifold import TSNE
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      "t-SNE needs scikit-learn: pip install 'crystal_jax[plots]'.",
      name=error.name,
    ) from error
  perplexity = min(30.0, (len(latents) - 1) / 3)
  embedding = TSNE(init='pca', perplexity=perplexity, random_state=seed)
  return embedding.fit_transform(components[:, :_COMPONENTS])


def _color_classes(ax, points, classes, label) -> None:
  """A colour for each class, the most frequent first; the rest is grey."""
  names, counts = np.unique(classes, return_counts=True)
  ordered = names[np.argsort(-counts, kind='stable')]
  colors = ['#cccccc'] * len(points)
  import matplotlib

  palette = matplotlib.colormaps['tab20'].colors  # type: ignore[attr-defined]
  for i, name in enumerate(ordered[:_MAX_CLASSES]):
    for row in np.flatnonzero(classes == name):
      colors[row] = palette[i]
    ax.scatter([], [], s=20, color=[palette[i]], label=name)
  ax.scatter(*points.T, s=8, c=colors, linewidths=0)
  ax.legend(
    title=label, fontsize=7, title_fontsize=8, loc='center left',
    bbox_to_anchor=(1, 0.5),
  )  # fmt: skip
