"""The voxelizer inside jit, vmap and grad; NaN, mistakes, traces, memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density import box_density, image_counts, split
from crystal_jax.density.forms import atoms_density
from tests import reference
from tests.density.forms import (
  CELL,
  FORMS,
  crystal,
  dear_forms,
  error,
  float32,
  most,
  voxelizer,
)


@dear_forms
def test_too_few_images_give_nan_and_never_a_density_with_atoms_missing(
  grid, sigma
):
  positions, weights = crystal()
  run = functools.partial(cj.voxelize, grid=grid, sigma=sigma)
  assert jnp.isnan(run(positions, weights, CELL, max_images=3)).all()
  enough = cj.count_images(positions, CELL, grid=grid, sigma=sigma)
  density = run(positions, weights, CELL, max_images=enough)
  assert error(density, positions, weights, CELL, grid, sigma) < 5e-6


@dear_forms
def test_nan_in_gives_nan_out(grid, sigma):
  positions, weights = crystal()
  run = voxelizer(grid, sigma)
  broken = positions.copy()
  broken[1, 2] = np.nan
  assert jnp.isnan(run(broken, weights, CELL)).all()
  found = functools.partial(run, max_images=None)
  assert jnp.isnan(found(broken, weights, CELL)).all()
  assert jnp.isnan(found(positions, weights, CELL * np.nan)).all()
  assert jnp.isnan(run(positions, weights, CELL * np.nan)).all()
  assert jnp.isfinite(run(broken, weights * [1, 0, 1, 1], CELL)).all()


@pytest.mark.slow
@pytest.mark.parametrize('name', ['slabs', 'direct'])
def test_inside_transformations(name):
  grid, sigma = FORMS[name]
  batch = [crystal(seed) for seed in range(2)]
  args = float32([np.stack(a) for a in zip(*batch, strict=True)])
  args.append(jnp.stack([CELL, CELL * 1.1]).astype(jnp.float32))
  run = voxelizer(grid, sigma)
  several = functools.partial(
    cj.voxelize_batch, grid=grid, sigma=sigma, max_images=most(grid)
  )
  truth = np.stack([run(*(a[i] for a in args)) for i in range(2)])
  close = functools.partial(
    np.testing.assert_allclose, atol=2e-6 * np.abs(truth).max()
  )
  close(several(*args), truth)
  close(cj.voxelize_batch(*args, grid=grid, sigma=sigma), truth)
  close(jax.jit(jax.vmap(run))(*args), truth)
  close(jax.lax.scan(lambda c, a: (c, run(*a)), 0, args)[1], truth)
  halves = [a.reshape(2, 1, *a.shape[1:]) for a in args]
  mapped = jax.pmap(jax.grad(lambda *a: (several(*a) ** 2).sum()))(*halves)
  whole = jax.jit(jax.vmap(jax.grad(lambda *a: (run(*a) ** 2).sum())))(*args)
  np.testing.assert_allclose(
    mapped[:, 0], whole, atol=1e-4 * np.abs(whole).max()
  )


def test_traced_sigma_equals_known_sigma():
  positions, weights = crystal()
  grid, sigma = FORMS['low rank']
  traced = jax.jit(lambda s: voxelizer(grid, s)(positions, weights, CELL))(
    sigma
  )
  assert error(traced, positions, weights, CELL, grid, sigma) < 5e-6


@pytest.mark.slow
def test_one_trace_for_crystals_that_share_a_rung():
  run = functools.partial(cj.voxelize, grid=cj.BoxGrid(7.0, 8), sigma=0.5)
  counts = [
    cj.count_images(crystal(s)[0], CELL, grid=cj.BoxGrid(7.0, 8), sigma=0.5)
    for s in range(6)
  ]
  rungs = {image_counts.ladder(count) for count in counts}
  assert len(rungs) < len(set(counts))
  before = atoms_density._cache_size()
  for seed in range(6):
    run(*crystal(seed), CELL)
  assert atoms_density._cache_size() == before + len(rungs)


@pytest.mark.slow
def test_grad_finds_max_images_by_itself_but_jit_asks_for_it_by_name():
  positions, weights = crystal()

  def total(positions):
    return cj.voxelize(
      positions, weights, CELL, grid=cj.CellGrid(16), sigma=0.5
    ).sum()

  positions = jnp.asarray(positions, jnp.float32)
  assert jnp.isfinite(jax.grad(total)(positions)).all()
  linear = jax.jit(
    lambda w: cj.voxelize(
      np.asarray(positions), w, CELL, grid=cj.CellGrid(16), sigma=0.5
    ).sum()
  )  # positions are known here, so that is enough
  np.testing.assert_allclose(linear(weights), total(positions), rtol=1e-5)
  with pytest.raises(ValueError, match='max_images'):
    jax.jit(total)(positions)
  with pytest.raises(ValueError, match='max_images'):
    jax.vmap(total)(positions[None])


@pytest.mark.parametrize(
  'change, message',
  [
    ({'positions': np.zeros((4, 2))}, 'positions'),
    ({'weights': np.zeros(3)}, 'weights'),
    ({'cell': np.eye(2)}, 'cell'),
    ({'cell': np.ones((3, 3))}, 'volume'),
    ({'cell': None}, 'CellGrid'),
    ({'sigma': 0.0}, 'sigma'),
    ({'sigma': np.ones(4)}, 'sigma'),
    ({'max_images': 0}, 'max_images'),
    ({'grid': cj.BoxGrid(), 'band_limit': True}, 'band_limit'),
    ({'grid': 32}, 'BoxGrid'),
  ],
)
def test_static_mistakes_are_named(change, message):
  positions, weights = crystal()
  valid = {
    'positions': positions,
    'weights': weights,
    'cell': CELL,
    'grid': cj.CellGrid(8),
    'sigma': 0.5,
  }
  with pytest.raises(ValueError, match=message):
    cj.voxelize(**(valid | change))


@pytest.mark.slow
def test_no_atoms_is_an_empty_box():
  for grid in (cj.BoxGrid(4.0, 4), cj.CellGrid(4)):
    for empty in (0, 3):
      density = cj.voxelize(
        np.zeros((empty, 3)), np.zeros(empty), CELL, grid=grid, sigma=0.5
      )
      assert density.shape == (4, 4, 4) and not density.any()


@pytest.mark.slow
@pytest.mark.parametrize('grid', [cj.BoxGrid(10.0, 128), cj.CellGrid(128)])
def test_128_voxels_a_side_and_400_atoms_fit_in_200_mb(grid):
  run = functools.partial(cj.voxelize, grid=grid, max_images=400)
  shapes = [
    jax.ShapeDtypeStruct(s, jnp.float32) for s in [(400, 3), (400,), (3, 3), ()]
  ]
  compiled = (
    jax.jit(lambda p, w, c, s: run(p, w, c, sigma=s)).lower(*shapes).compile()
  )
  memory = compiled.memory_analysis()
  used = memory.temp_size_in_bytes + memory.output_size_in_bytes
  assert used < 200e6


@pytest.mark.slow
def test_plain_product_of_accelerators_equals_the_reference_and_the_slabs():
  # Chosen by platform, so it takes a call of its own to be run on a CPU.
  grid, sigma = FORMS['slabs']
  rng = np.random.default_rng(0)
  centers = rng.uniform(-3, 3, (1500, 3)).astype(np.float32)  # two chunks
  images = split.split(centers, jnp.float32)
  weights = rng.integers(0, 9, (1500, 2)).astype(np.float32)
  scale = (2 * np.pi * sigma**2) ** -1.5
  product = functools.partial(
    box_density.product,
    axis=split.split(grid.axis(), jnp.float32),
    sigma=jnp.float32(sigma),
  )
  density = product(images, weights * scale)
  truth = reference.density(centers, weights, None, grid, sigma)
  np.testing.assert_allclose(density, truth, atol=5e-6 * truth.max())
  slabs = cj.voxelize(
    centers, weights, None, grid=grid, sigma=sigma, max_images=1500
  )
  np.testing.assert_allclose(density, slabs, atol=5e-6 * truth.max())
