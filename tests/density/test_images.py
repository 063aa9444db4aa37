"""Which images reach a grid, and where they are to the last digit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density import image_counts, images, split
from tests import reference

CELLS = {
  'plain': reference.triclinic((4.0, 5.0, 6.0), (80.0, 95.0, 110.0)),
  'sharp': reference.triclinic((5.0, 9.0, 7.0), (26.0, 40.0, 30.0)),
  'blunt': reference.triclinic((5.0, 6.0, 7.0), (118.0, 119.0, 120.0)),
  'tiny': np.eye(3) * 1.5,
  'long': np.diag([2.0, 60.0, 3.0]),
  'large': np.eye(3) * 60.0,
}


def find(positions, filled, cell, grid, reach, max_images):
  return jax.jit(
    functools.partial(images.find_images, grid=grid, max_images=max_images)
  )(
    jnp.asarray(positions, jnp.float32),
    jnp.asarray(filled),
    jnp.asarray(cell, jnp.float32),
    reach=reach,
  )


def brute(positions, cell, half):
  """Positions of all images in a cube, from far too many translations."""
  far = int(
    np.ceil(
      (half * 1.8 + 10) * np.linalg.norm(np.linalg.inv(cell), axis=0).max()
    )
  )
  whole = np.arange(-far, far + 1)
  steps = np.stack(np.meshgrid(whole, whole, whole), -1).reshape(-1, 3)
  wrapped = positions - np.floor(positions @ np.linalg.inv(cell)) @ cell
  moved = wrapped[:, None] + (steps @ cell)[None]
  return moved[(np.abs(moved) <= half).all(-1)]


@pytest.mark.parametrize('name', CELLS)
def test_box_images_are_all_images_in_the_enlarged_box(name):
  cell, grid, reach = CELLS[name], cj.BoxGrid(4.0, 8), 1.237
  positions = np.random.default_rng(0).uniform(-30, 30, (3, 3))
  if name == 'large':
    positions = np.array([[59.0, 1.0, -61.0], [30.0, 0, 0], [0, 0, 0.0]])
  truth = brute(positions, cell, 2.0 + reach)
  most = image_counts.count_reaching(positions, cell, grid=grid, reach=reach)
  found = find(positions, np.ones(3, bool), cell, grid, reach, most)
  assert found.complete and found.filled.sum() == len(truth)
  where = images.place(
    found, split.split(positions, jnp.float32), split.split(cell, jnp.float32)
  )
  ours = np.asarray(where.value)[np.asarray(found.filled)]
  order, other = (np.lexsort(a.round(3).T) for a in (ours, truth))
  np.testing.assert_allclose(ours[order], truth[other], atol=1e-6)


def test_empty_slots_take_no_image_slots():
  cell, grid = CELLS['plain'], cj.BoxGrid(4.0, 8)
  positions = np.zeros((50, 3))
  filled = np.arange(50) == 17
  most = image_counts.count_reaching(
    positions[17:18], cell, grid=grid, reach=1.0
  )
  found = find(positions, filled, cell, grid, 1.0, most)
  assert found.complete and (found.atom[found.filled] == 17).all()


def test_one_slot_too_few_is_incomplete():
  cell, grid = CELLS['plain'], cj.BoxGrid(4.0, 8)
  full = brute(np.zeros((1, 3)), cell, 3.0)
  for most, complete in [(len(full), True), (len(full) - 1, False)]:
    found = find(np.zeros((1, 3)), [True], cell, grid, 1.0, most)
    assert found.complete == complete


def test_ladder_climbs_in_steps_of_at_most_a_quarter():
  rungs = [image_counts.ladder(n) for n in range(1, 5000)]
  assert all(r >= n for n, r in enumerate(rungs, 1))
  assert all(r <= max(8, 1.25 * n + 8) for n, r in enumerate(rungs, 1))
  assert len(set(rungs)) < 40


def test_split_adds_up_and_carries_derivatives():
  x = np.random.default_rng(0).uniform(-60, 60, 9)
  parts = split.split(x, jnp.float32)
  exact = np.float64(parts.coarse) + np.float64(parts.fine)
  np.testing.assert_allclose(exact, x, atol=1e-9)
  slope = jax.grad(lambda x: split.split(x, jnp.float32).value.sum())
  np.testing.assert_array_equal(slope(jnp.float32(x)), np.ones(9))


@pytest.mark.parametrize(
  'grid',
  [cj.BoxGrid(6.0, 8), pytest.param(cj.CellGrid(8), marks=pytest.mark.slow)],
)
def test_count_images_is_enough(grid):
  cell = CELLS['sharp']
  positions = np.random.default_rng(1).random((4, 3)) @ cell
  most = cj.count_images(positions, cell, grid=grid, sigma=0.3)
  density = cj.voxelize(
    positions, np.ones(4), cell, grid=grid, sigma=0.3, max_images=most
  )
  assert jnp.isfinite(density).all()
