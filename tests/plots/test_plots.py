"""Contents of figures, and arguments that are refused."""

import subprocess
import sys

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax import plots


def gaussian(centre, height=1.0):
  """A density of 12³ voxels with one Gaussian."""
  axes = np.meshgrid(*[np.arange(12)] * 3, indexing='ij')
  squares = sum((x - c) ** 2 for x, c in zip(axes, centre, strict=True))
  return height * np.exp(-squares / 4)


def images(figure):
  """Array and upper limit of the colour scale of each panel."""
  return [
    (im.get_array(), im.get_clim()[1]) for ax in figure.axes for im in ax.images
  ]


def test_densities_are_bright_at_the_atom():
  target, decoded = gaussian((2, 5, 8)), gaussian((2, 5, 8), height=0.5)
  figure = plots.densities(
    {'target': target, 'decoded': decoded}, views=('largest', 'top', 'front')
  )
  panels = images(figure)
  # Each row has both densities on the common scale, then each on its own.
  assert len(panels) == 3 * 4
  # Rows of images are y, or z from the front; columns are x.
  for row, peak in zip(range(3), [(5, 2), (5, 2), (8, 2)], strict=True):
    row_panels = panels[4 * row : 4 * row + 4]
    for array, _ in row_panels:
      assert np.unravel_index(np.argmax(array), (12, 12)) == peak
    limits = [limit for _, limit in row_panels]
    np.testing.assert_allclose(limits, [1, 1, 1, 0.5])


def test_decoded_atoms_lie_on_their_density_in_both_views():
  density = np.zeros((4, 5, 6))  # Unequal sides distinguish the axes.
  density[1, 2, 5] = 1
  extents = [(-0.5, 3.5), (-0.5, 4.5), (-0.5, 5.5)]
  figure = plots.decoded_atoms(
    density, np.array([[1.0, 2.0, 5.0]]), np.array([26]), extents=extents
  )
  for ax, (x, y) in zip(figure.axes, [(1, 2), (1, 5)], strict=True):
    (image,), (points,) = ax.images, ax.collections
    array = image.get_array()
    x_min, x_max, y_min, y_max = image.get_extent()
    row, column = np.unravel_index(np.argmax(array), array.shape)
    center = (
      x_min + (column + 0.5) * (x_max - x_min) / array.shape[1],
      y_min + (row + 0.5) * (y_max - y_min) / array.shape[0],
    )
    np.testing.assert_allclose(center, (x, y))
    np.testing.assert_allclose(points.get_offsets(), [(x, y)])
  plots.decoded_atoms(
    density, np.zeros((0, 3)), np.zeros(0, int), extents=extents
  )


@pytest.mark.parametrize(
  'fields, options, reason',
  [
    ({}, {}, 'one shape'),
    ({'a': np.zeros((2, 2, 2)), 'b': np.zeros((3, 3, 3))}, {}, 'one shape'),
    ({'a': np.zeros((2, 2, 2))}, {'views': ('left',)}, "'largest', 'top'"),
  ],
)
def test_densities_are_refused(fields, options, reason):
  with pytest.raises(ValueError, match=reason):
    plots.densities(fields, **options)


def test_distance_histograms_state_the_quantiles_of_the_paper():
  figure = plots.nearest_atoms(np.array([0.1, 0.2, 3.0]), np.array([0.02]))
  texts = [
    text.get_text() for ax in figure.axes for text in ax.get_legend().texts
  ]
  assert texts.count('median, paper: 0.095 Å') == 2
  assert texts.count('90 %, paper: 0.26 Å') == 2
  assert 'median: 0.200 Å' in texts and 'median: 0.020 Å' in texts
  assert '1 of 3 farther' in figure.axes[0].get_title()
  counts = [sum(bar.get_height() for bar in ax.patches) for ax in figure.axes]
  assert counts == [2, 1]
  plots.nearest_atoms(np.zeros(2), np.zeros(0))  # Nothing was decoded.


def test_rows_of_the_confusion_matrix_are_true_elements():
  figure = plots.species_confusion(
    np.array([8, 8, 8, 22]), np.array([8, 8, 7, 0])
  )
  ax = figure.axes[0]
  assert [t.get_text() for t in ax.get_yticklabels()] == ['O', 'Ti']
  assert [t.get_text() for t in ax.get_xticklabels()] == [
    'none', 'N', 'O', 'Ti',
  ]  # fmt: skip
  np.testing.assert_allclose(
    ax.images[0].get_array(), [[0, 1 / 3, 2 / 3, 0], [1, 0, 0, 0]]
  )
  assert '50.0% of 4' in ax.get_title()
  with pytest.raises(ValueError, match='not 1 for 2'):
    plots.species_confusion(np.array([8, 8]), np.array([8]))


def two_groups():
  """Latents of two groups, ten each."""
  rng = np.random.default_rng(0)
  z = rng.normal(size=(20, 30))
  z[10:, 3] += 40
  return z


def test_projection_has_the_largest_variances():
  z = two_groups()
  points = plots.project(z)
  first, second = np.linalg.eigvalsh(np.cov(z.T))[[-1, -2]]
  np.testing.assert_allclose(
    points.var(axis=0, ddof=1), [first, second], rtol=1e-6
  )
  assert points[:10, 0].max() < points[10:, 0].min() or (
    points[10:, 0].max() < points[:10, 0].min()
  )


def test_t_sne_keeps_groups_together():
  pytest.importorskip('sklearn')
  z = two_groups()
  points = plots.project(z, method='t-sne')
  distances = np.linalg.norm(points[:, None] - points, axis=-1)
  np.fill_diagonal(distances, np.inf)
  assert (distances.argmin(axis=1) // 10 == np.arange(20) // 10).all()


def test_maps_are_coloured_by_numbers_or_classes():
  z = two_groups()
  z[4] = np.nan  # A crystal that could not be encoded.
  figure = plots.latent_map(z, np.arange(20.0), label='energy, eV')
  (cloud,) = figure.axes[0].collections
  assert cloud.get_array().tolist() == [*range(4), *range(5, 20)]
  assert figure.axes[1].get_ylabel() == 'energy, eV'
  classes = ['cubic'] * 10 + ['other'] * 10
  legend = plots.latent_map(z, classes).axes[0].get_legend()
  assert [t.get_text() for t in legend.texts] == ['other', 'cubic']
  with pytest.raises(ValueError, match='20 values, not 3'):
    plots.latent_map(z, [1, 2, 3])
  with pytest.raises(ValueError, match='three latents'):
    plots.latent_map(z[:2])
  with pytest.raises(ValueError, match='umap'):
    plots.latent_map(z, method='umap')


def test_plots_are_imported_on_first_use():
  script = """
import sys
import crystal_jax as cj
assert 'matplotlib' not in sys.modules
assert cj.plots.latent_map and 'matplotlib.pyplot' not in sys.modules
sys.modules['matplotlib'] = None
for name in [n for n in sys.modules if n.startswith('crystal_jax.plots')]:
  del sys.modules[name]
try:
  cj.__getattr__('plots')
except ModuleNotFoundError as error:
  assert 'crystal_jax[plots]' in str(error)
else:
  raise AssertionError
"""
  subprocess.run([sys.executable, '-c', script], check=True, timeout=120)
  with pytest.raises(AttributeError, match='no_such'):
    cj.no_such  # noqa: B018
