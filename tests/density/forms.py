"""Each way in which a density is computed, and what its tests share.

`FORMS` has a grid and sigma for each; what is true of a density has to be
true of all of them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from tests import reference

CELL = reference.triclinic((4.0, 5.0, 6.0), (80.0, 95.0, 110.0))
FORMS = {
  'slabs': (cj.BoxGrid(length=4.0, size=10), 0.4),
  'low rank': (cj.BoxGrid(length=4.0, size=28), 1.0),
  'direct': (cj.CellGrid((9, 12, 16)), 0.5),
  'fourier': (cj.CellGrid((20, 24, 32)), 0.5),
}


def most(grid):
  """Images, enough for every crystal of `crystal` on this form."""
  return 64 if grid == FORMS['slabs'][0] else 192


forms = pytest.mark.parametrize('grid, sigma', FORMS.values(), ids=FORMS.keys())
# Where each takes long: a box and a cell, and the others among the slow tests.
dear_forms = pytest.mark.parametrize(
  'grid, sigma',
  [
    pytest.param(
      *form, marks=pytest.mark.slow if name in ('low rank', 'direct') else ()
    )
    for name, form in FORMS.items()
  ],
  ids=FORMS.keys(),
)


def voxelizer(grid, sigma):
  return functools.partial(
    cj.voxelize, grid=grid, sigma=sigma, max_images=most(grid)
  )


def crystal(seed=0, atoms=4, spread=30.0):
  rng = np.random.default_rng(seed)
  positions = rng.uniform(-spread, spread, (atoms, 3))
  return positions, rng.integers(1, 90, atoms).astype(float)


def error(density, positions, weights, cell, grid, sigma):
  """Largest error, of the highest single atom's peak."""
  truth = reference.density(positions, weights, cell, grid, sigma)
  # In float64: JAX would round the truth before it compares.
  density = np.asarray(density, np.float64)
  return np.abs(density - truth).max() * reference.peak(weights, sigma)


def float32(tree):
  return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), tree)
