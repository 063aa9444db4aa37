"""Derivatives of densities, against finite differences in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from tests import reference
from tests.density.forms import (
  CELL,
  FORMS,
  crystal,
  float32,
  voxelizer,
)


@pytest.mark.slow
def test_derivatives_where_thousands_of_images_are_a_few_waves():
  cell = reference.triclinic((2.0, 1.8, 1.6), (80.0, 95.0, 110.0))
  grid, sigma = cj.BoxGrid(3.0, 6), np.float64(1.0)
  positions, weights = crystal(9, atoms=2)
  field = np.random.default_rng(1).normal(size=grid.shape)
  args = positions, weights, cell, sigma

  def loss(p, w, c, s):
    density = cj.voxelize(p, w, c, grid=grid, sigma=s, max_images=2048)
    return (density * jnp.asarray(field, jnp.float32)).sum()

  def reference_loss(p, w, c, s):
    return (reference.density(p, w, c, grid, s) * field).sum()

  grads = jax.grad(loss, argnums=(0, 1, 2, 3))(*float32(args))
  for which in range(4):
    along = np.random.default_rng(2).normal(size=np.shape(args[which]))
    sides = [
      [a + s * along if i == which else a for i, a in enumerate(args)]
      for s in (-1e-4, 1e-4)
    ]
    slope = (reference_loss(*sides[1]) - reference_loss(*sides[0])) / 2e-4
    ours = np.sum(np.asarray(grads[which], np.float64) * along)
    size = np.linalg.norm(grads[which]) * np.linalg.norm(along)
    assert abs(ours - slope) < 1e-4 * size


def loss_and_reference(grid, sigma):
  """A scalar of the density, and the same from the float64 reference."""
  positions, weights = crystal(9)
  mask = np.random.default_rng(1).normal(size=grid.shape)
  args = positions, weights, CELL, np.float64(sigma)

  def loss(positions, weights, cell, sigma):
    density = voxelizer(grid, sigma)(positions, weights, cell)
    return (density * jnp.asarray(mask, jnp.float32)).sum()

  def reference_loss(positions, weights, cell, sigma):
    truth = reference.density(positions, weights, cell, grid, sigma)
    return (truth * mask).sum()

  rng = np.random.default_rng(2)
  along = tuple(np.asarray(rng.normal(size=np.shape(a))) for a in args)
  return loss, reference_loss, args, along


@pytest.mark.parametrize(
  'name',
  [
    'slabs',
    pytest.param('fourier', marks=pytest.mark.slow),
    pytest.param('low rank', marks=pytest.mark.slow),
    pytest.param('direct', marks=pytest.mark.slow),
  ],
)
def test_derivatives_equal_finite_differences(name):
  grid, sigma = FORMS[name]
  loss, reference_loss, args, along = loss_and_reference(grid, sigma)
  grads = jax.grad(loss, argnums=(0, 1, 2, 3))(*float32(args))
  for which, scale in enumerate((1e-4, 1e-3, 1e-5, 1e-4)):

    def moved(step, which=which):
      return [
        a + step * v if i == which else a
        for i, (a, v) in enumerate(zip(args, along, strict=True))
      ]

    sides = [reference_loss(*moved(s)) for s in (-scale, scale)]
    slope = (sides[1] - sides[0]) / (2 * scale)
    ours = np.sum(np.asarray(grads[which], np.float64) * along[which])
    size = np.linalg.norm(grads[which]) * np.linalg.norm(along[which])
    assert abs(ours - slope) < 1e-4 * size

    tangents = [a * (i == which) for i, a in enumerate(float32(along))]
    _, forward = jax.jvp(loss, float32(args), tuple(tangents))
    assert abs(forward - slope) < 1e-4 * size


@pytest.mark.slow
@pytest.mark.parametrize(
  'name',
  [
    'slabs',
    'low rank',
    'fourier',
  ],
)
def test_hessian_vector_product_equals_finite_differences(name):
  grid, sigma = FORMS[name]
  loss, reference_loss, args, along = loss_and_reference(grid, sigma)
  one = lambda p: loss(p, *float32(args[1:]))  # noqa: E731
  position, direction = float32((args[0], along[0]))
  _, product = jax.jit(functools.partial(jax.jvp, jax.grad(one)))(
    (position,), (direction,)
  )
  backward = jax.jit(jax.grad(lambda p: jnp.vdot(jax.grad(one)(p), direction)))(
    position
  )
  np.testing.assert_allclose(
    product, backward, atol=2e-5 * np.abs(product).max()
  )
  step = 1e-3
  values = [
    reference_loss(args[0] + s * along[0], *args[1:]) for s in (-step, 0, step)
  ]
  curvature = (values[0] - 2 * values[1] + values[2]) / step**2
  size = np.linalg.norm(product) * np.linalg.norm(direction)
  assert abs(np.vdot(product, direction) - curvature) < 1e-4 * size


@pytest.mark.slow
@pytest.mark.parametrize(
  'grid',
  [
    cj.CellGrid(16),
    cj.BoxGrid(3.0, 3),
    cj.CellGrid(8),
  ],
  ids=str,
)
def test_no_nan_in_the_gradient_of_an_atom_on_a_voxel(grid):
  def loss(positions, cell):
    density = cj.voxelize(
      positions, np.ones(2), cell, grid=grid, sigma=0.5, max_images=64
    )
    return (density**2).sum()

  args = jnp.zeros((2, 3)), jnp.eye(3) * 4
  assert jnp.isfinite(loss(*args))
  for grad in jax.grad(loss, argnums=(0, 1))(*args):
    assert jnp.isfinite(grad).all()
