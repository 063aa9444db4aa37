"""Densities of orthogonal cells, axis by axis: the law of `band_limit`."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density import separable_density
from tests import reference

# The package's name `voxelize` is the function.
voxelize = importlib.import_module('crystal_jax.density.voxelize')

LENGTHS = np.array([4.0, 5.0, 6.0])
TURN = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
CELLS = {
  'cube': 5.0 * np.eye(3),
  'aligned': np.diag(LENGTHS),
  'turned': np.diag(LENGTHS) @ TURN,
}


def crystal(cell, channels=(), seed=0, atoms=5):
  rng = np.random.default_rng(seed)
  positions = rng.uniform(-30, 30, (atoms, 3))
  return positions, rng.uniform(1, 90, (atoms, *channels)), cell


def separable_is_used(monkeypatch, call):
  """Whether a call of `voxelize` goes the separable way, and its result."""
  used = []

  def watched(*args, **static):
    used.append(static['separable'])
    return original(*args, **static)

  original = voxelize.atoms_density
  monkeypatch.setattr(voxelize, 'atoms_density', watched)
  result = call()
  monkeypatch.undo()
  return used == [True], result


@pytest.mark.parametrize('name', CELLS)
@pytest.mark.parametrize('size', [(16, 16, 16), (8, 9, 10)])
def test_orthogonal_cells_have_the_frequencies_up_to_nyquist(
  monkeypatch, name, size
):
  """Also where atoms are narrower than voxels, and at double Nyquist."""
  grid = cj.CellGrid(size)
  args = crystal(CELLS[name])
  for sigma in (0.3, 0.8):
    used, density = separable_is_used(
      monkeypatch,
      lambda sigma=sigma: cj.voxelize(
        *args, grid=grid, sigma=sigma, band_limit=True
      ),
    )
    assert used
    truth = reference.separable(*args, grid, sigma)
    np.testing.assert_allclose(
      truth, reference.band_limited(*args, grid, sigma), atol=1e-12
    )
    error = np.abs(np.asarray(density, np.float64) - truth).max()
    assert error * reference.peak(args[1], sigma) < 5e-6


def test_channels_of_an_orthogonal_cell_are_densities_of_their_own():
  grid = cj.CellGrid((8, 7, 5))
  positions, weights, cell = crystal(CELLS['turned'], channels=(3,))
  density = cj.voxelize(
    positions, weights, cell, grid=grid, sigma=0.5, band_limit=True
  )
  truth = reference.separable(positions, weights, cell, grid, 0.5)
  error = np.abs(np.asarray(density, np.float64) - truth).max()
  assert error * reference.peak(weights, 0.5) < 5e-6


def test_cells_that_are_not_orthogonal_or_hidden_keep_the_general_form(
  monkeypatch,
):
  options = dict(grid=cj.CellGrid(8), sigma=0.5, band_limit=True)
  positions, weights, cell = crystal(CELLS['aligned'])
  sheared = cell + [[0, 0, 0], [1e-5, 0, 0], [0, 0, 0]]
  used, near = separable_is_used(
    monkeypatch, lambda: cj.voxelize(positions, weights, sheared, **options)
  )
  assert not used
  density = cj.voxelize(positions, weights, cell, **options)
  np.testing.assert_allclose(near, density, atol=2e-3 * density.max())
  hidden = jax.jit(functools.partial(cj.voxelize, **options))
  np.testing.assert_allclose(
    hidden(positions, weights, cell), density, atol=2e-5 * density.max()
  )


def test_derivative_by_the_cell_knows_of_shear():
  """By the lengths alone, the derivative by an angle would be zero."""
  positions, weights, cell = crystal(CELLS['aligned'])
  grid, sigma = cj.CellGrid(8), 0.6
  field = np.random.default_rng(1).normal(size=grid.shape)
  shear = np.zeros((3, 3))
  shear[1, 0] = 1.0

  def loss(c):
    density = cj.voxelize(
      positions, weights, c, grid=grid, sigma=sigma, band_limit=True
    )
    return jnp.sum(density * field)

  step = 1e-4
  sides = [
    (reference.band_limited(positions, weights, c, grid, sigma) * field).sum()
    for c in (cell - step * shear, cell + step * shear)
  ]
  slope = (sides[1] - sides[0]) / (2 * step)
  gradient = jax.grad(loss)(jnp.asarray(cell, jnp.float32))
  assert abs(slope) > 1e-2
  np.testing.assert_allclose(gradient[1, 0], slope, rtol=1e-3)


def cube(fractional, codes, double_nyquist=False):
  return separable_density.separable_density(
    fractional,
    codes,
    np.full(3, 1 / 12),
    cj.CellGrid(12),
    double_nyquist=double_nyquist,
  )


@pytest.mark.parametrize('double_nyquist', [False, True])
def test_derivatives_of_the_cube_equal_finite_differences(double_nyquist):
  rng = np.random.default_rng(0)
  fractional, codes = rng.uniform(size=(4, 3)), rng.normal(size=(4, 2))
  field = rng.normal(size=(12, 12, 12, 2))
  along = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
  grid = cj.CellGrid(12)

  def loss(f, c):
    return jnp.sum(cube(f, c, double_nyquist) * jnp.asarray(field))

  def reference_loss(step):
    f, c = fractional + step * along[0], codes + step * along[1]
    return (reference.separable(f, c, np.eye(3), grid, 1 / 12) * field).sum()

  args = jnp.asarray(fractional, jnp.float32), jnp.asarray(codes, jnp.float32)
  tangents = tuple(jnp.asarray(a, jnp.float32) for a in along)
  slope = (reference_loss(1e-5) - reference_loss(-1e-5)) / 2e-5
  _, forward = jax.jit(functools.partial(jax.jvp, loss))(args, tangents)
  gradient = jax.jit(jax.grad(loss, (0, 1)))
  backward = sum(map(jnp.vdot, gradient(*args), tangents))
  np.testing.assert_allclose(forward, slope, rtol=1e-3)
  np.testing.assert_allclose(backward, slope, rtol=1e-3)


def test_single_atoms_are_products_of_three_vectors():
  rng = np.random.default_rng(0)
  fractional = jnp.asarray(rng.uniform(size=(4, 3)), jnp.float32)
  codes = jnp.asarray(rng.normal(size=(4, 2)), jnp.float32)
  x, y, z = separable_density.axis_factors(
    fractional, np.full(3, 1 / 12), cj.CellGrid(12)
  )
  for axis in x, y, z:
    np.testing.assert_allclose(axis.values.mean(1), 1.0, atol=1e-5)
  product = jnp.einsum('mx,my,mz,mc->xyzc', x.values, y.values, z.values, codes)
  np.testing.assert_allclose(product, cube(fractional, codes), atol=1e-3)
  batch = jax.jit(jax.vmap(cube))(fractional[None], codes[None])
  np.testing.assert_allclose(batch[0], cube(fractional, codes), atol=1e-3)


def test_a_voxel_of_shift_rolls_the_grid():
  positions, weights, cell = crystal(CELLS['turned'])
  grid, sigma = cj.CellGrid((8, 9, 10)), 0.5
  render = functools.partial(
    cj.voxelize, grid=grid, sigma=sigma, band_limit=True
  )
  density = render(positions, weights, cell)
  for axis, count in enumerate(grid.shape):
    moved = render(positions + cell[axis] / count, weights, cell)
    np.testing.assert_allclose(
      moved, jnp.roll(density, 1, axis), atol=1e-5 * density.max()
    )


def test_empty_slots_and_too_few_slots():
  positions, weights, cell = crystal(CELLS['aligned'])
  options = dict(grid=cj.CellGrid(8), sigma=0.5, band_limit=True)
  density = cj.voxelize(positions, weights, cell, **options)
  padded = np.concatenate([positions, np.full((3, 3), np.nan)])
  heavy = np.concatenate([weights, np.zeros(3)])
  np.testing.assert_allclose(
    cj.voxelize(padded, heavy, cell, **options), density, rtol=2e-6, atol=1e-6
  )
  few = cj.voxelize(positions, weights, cell, max_images=3, **options)
  assert jnp.isnan(few).all()
