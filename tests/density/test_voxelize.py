"""The voxelizer: laws of physics, then a float64 reference."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density.box_density import low_rank_basis
from crystal_jax.density.grids import resolves
from crystal_jax.density.wave_density import is_small
from tests import reference
from tests.density.forms import (
  CELL,
  FORMS,
  crystal,
  dear_forms,
  error,
  forms,
  voxelizer,
)


def test_each_form_is_what_it_is_called():
  def rank(grid, sigma):
    return low_rank_basis(grid, sigma, 64, np.dtype(np.float32))

  assert rank(*FORMS['slabs']) is None
  assert rank(*FORMS['low rank']).shape[1] < 20
  assert not resolves(FORMS['direct'][0], CELL, 0.5)
  assert resolves(FORMS['fourier'][0], CELL, 0.5)


def test_integral_over_the_cell_is_the_sum_of_weights():
  positions, weights = crystal(1)
  grid, sigma = FORMS['fourier']
  density = voxelizer(grid, sigma)(positions, weights, CELL)
  volume = np.abs(np.linalg.det(CELL)) / np.prod(grid.shape)
  np.testing.assert_allclose(density.sum() * volume, weights.sum(), rtol=1e-5)


@forms
def test_shift_by_a_voxel_rolls_the_grid(grid, sigma):
  positions, weights = crystal(2)
  if isinstance(grid, cj.BoxGrid):
    step = np.array([grid.spacing, 0.0, 0.0])
  else:
    step = CELL[0] / grid.shape[0]
  run = voxelizer(grid, sigma)
  before = run(positions, weights, CELL)
  after = run(positions + step, weights, CELL)
  if isinstance(grid, cj.BoxGrid):
    before, after = before[:-1], after[1:]
  else:
    before = np.roll(before, 1, axis=0)
  peak = 1 / reference.peak(weights, sigma)
  np.testing.assert_allclose(after, before, atol=5e-6 * peak)


@forms
def test_images_permutations_and_empty_slots_change_nothing(grid, sigma):
  positions, weights = crystal(3)
  weights[1] = 0  # An empty slot.
  run = voxelizer(grid, sigma)
  density = run(positions, weights, CELL)
  moved = positions + np.array([[3, -7, 2]]) @ CELL
  order = np.array([2, 0, 3, 1])
  elsewhere = np.where(weights[:, None] > 0, positions, 0.1)
  skewed = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ CELL
  peak = 1 / reference.peak(weights, sigma)
  for other in [
    run(moved, weights, CELL),
    run(positions[order], weights[order], CELL),
    run(elsewhere, weights, CELL),
    run(positions, weights, skewed)
    if isinstance(grid, cj.BoxGrid)
    else density,
  ]:
    np.testing.assert_allclose(other, density, atol=5e-6 * peak)


@pytest.mark.parametrize('name', ['slabs', 'low rank'])
def test_quarter_turn_of_the_crystal_turns_the_box(name):
  grid, sigma = FORMS[name]
  positions, weights = crystal(4)
  turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
  run = voxelizer(grid, sigma)
  turned = run(positions @ turn, weights, CELL @ turn)
  peak = 1 / reference.peak(weights, sigma)
  np.testing.assert_allclose(
    turned, np.rot90(run(positions, weights, CELL)), atol=5e-6 * peak
  )


@forms
def test_equals_float64_sum_over_all_images(grid, sigma):
  positions, weights = crystal(5)
  density = voxelizer(grid, sigma)(positions, weights, CELL)
  assert density.dtype == jnp.float32
  assert error(density, positions, weights, CELL, grid, sigma) < 2e-6


@dear_forms
def test_channels_are_densities_of_their_own(grid, sigma):
  positions, weights = crystal(5)
  weights = weights[:, None] * np.random.default_rng(0).random((1, 3))
  density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=sigma)
  assert error(density, positions, weights, CELL, grid, sigma) < 2e-6


@pytest.mark.parametrize('name', ['slabs', 'low rank'])
def test_without_a_cell_there_are_no_images(name):
  grid, sigma = FORMS[name]
  positions, weights = crystal(6, spread=5.0)
  density = cj.voxelize(positions, weights, None, grid=grid, sigma=sigma)
  assert error(density, positions, weights, None, grid, sigma) < 5e-6


@dear_forms
def test_x64_mode_is_exact_to_1e_6(grid, sigma):
  positions, weights = crystal(7)
  with jax.enable_x64(True):
    density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=sigma)
    assert density.dtype == jnp.float64
    # Far below 1e-6, so that float32 hides nowhere.
    assert error(density, positions, weights, CELL, grid, sigma) < 1e-8


# Each pair is compiled for itself.
GRIDS = [
  cj.CellGrid(16),
  cj.BoxGrid(10.0, 16),
  cj.BoxGrid(5.0, 18),
  cj.CellGrid((16, 24, 18)),
]
SIGMAS = [1.0, 0.5, 0.2, 1.5]


@pytest.mark.parametrize(
  ('rungs', 'choices'),
  [((4096,), 2), pytest.param((64, 512, 4096), 4, marks=pytest.mark.slow)],
)
@hypothesis.settings(max_examples=24, deadline=None, derandomize=True)
@hypothesis.given(
  lengths=st.tuples(*[st.floats(1.5, 60.0)] * 3),
  angles=st.tuples(*[st.floats(25.0, 150.0)] * 3),
  which=st.tuples(st.integers(0, 3), st.integers(0, 3)),
  seed=st.integers(0, 99),
)
@hypothesis.example(  # four thousand images: adding them up lost digits
  lengths=(2.0, 2.0, 10.0),
  angles=(25.0, 25.0, 25.0),
  which=(0, 0),
  seed=0,
)
def test_exact_on_any_lattice(rungs, choices, lengths, angles, which, seed):
  grid, sigma = GRIDS[which[0] % choices], SIGMAS[which[1] % choices]
  cosines = np.cos(np.radians(angles))
  flatness = 1 - (cosines**2).sum() + 2 * cosines.prod()
  hypothesis.assume(flatness > 0.01)
  cell = reference.triclinic(lengths, angles)
  rng = np.random.default_rng(seed)
  cell = cell @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
  # Two to five atoms in eight slots, far outside the cell, H 1 Å from Pb.
  filled = rng.permutation(8)[: rng.integers(2, 6)]
  positions, weights = np.zeros((8, 3)), np.zeros(8)
  positions[filled] = rng.uniform(-3, 3, (len(filled), 3)) @ cell
  weights[filled] = rng.integers(2, 90, len(filled))
  positions[filled[1]] = positions[filled[0]] + [0.6, 0.0, 0.8]
  weights[filled[:2]] = 82, 1
  # Of a density 64 single peaks high float32's own last digit is 8e-6 of one.
  mean = weights.sum() / abs(np.linalg.det(cell))
  hypothesis.assume(mean * reference.peak(weights, sigma) < 64)
  count = cj.count_images(positions[filled], cell, grid=grid, sigma=sigma)
  hypothesis.assume(count <= 4096)
  rung = min(rung for rung in rungs if rung >= count)  # few: fewer traces
  density = cj.voxelize(
    positions, weights, cell, grid=grid, sigma=sigma, max_images=rung
  )
  truth = positions[filled], weights[filled]
  assert error(density, *truth, cell, grid, sigma) < 5e-6


@pytest.mark.slow
def test_one_atom_in_the_smallest_cell_and_many_in_the_largest():
  tiny = reference.triclinic((1.5, 1.5, 1.5), (90.0, 90.0, 90.0))
  large = reference.triclinic((60.0, 60.0, 60.0), (60.0, 60.0, 60.0))
  rng = np.random.default_rng(0)
  many = rng.uniform(-1, 1, (400, 3)) @ large, rng.integers(1, 90, 400)
  for grid in (cj.BoxGrid(10.0, 16), cj.CellGrid(16)):
    one = np.zeros((8, 3)), np.zeros(8)
    one[0][0], one[1][0] = (0.3, 0.2, 0.1), 82.0
    # As many slots and images as above: compiled once.
    density = cj.voxelize(*one, tiny, grid=grid, sigma=0.5, max_images=4096)
    assert error(density, *one, tiny, grid, 0.5) < 5e-6
    density = cj.voxelize(*many, large, grid=grid, sigma=0.2)
    assert error(density, *many, large, grid, 0.2) < 5e-6


@pytest.mark.slow
@pytest.mark.parametrize(
  'angle, sigma',
  [
    (90, 1.4),
    (25, 0.745),
    (40, 1.0),
    (60, 1.5),
    (25, 1.5),
  ],
)
def test_exact_where_a_density_is_many_single_peaks_high(angle, sigma):
  tiny = reference.triclinic((1.5,) * 3, (angle,) * 3)
  assert is_small(jnp.asarray(tiny, jnp.float32), sigma)
  one = np.array([[0.3, 0.2, 0.1]]), np.array([82.0])
  for grid in (cj.BoxGrid(5.0, 18), cj.CellGrid(16)):
    density = cj.voxelize(*one, tiny, grid=grid, sigma=sigma)
    assert density.max() * reference.peak(one[1], sigma) > 12
    assert error(density, *one, tiny, grid, sigma) < 5e-6


@pytest.mark.slow
def test_exact_where_hundreds_of_atoms_overlap():
  # What rounding does to all atoms alike adds up.
  cell = reference.triclinic((7.0, 7.0, 7.0), (90.0, 90.0, 90.0))
  rng = np.random.default_rng(0)
  atoms = rng.random((400, 3)) @ cell, rng.integers(1, 90, 400)
  for grid in (cj.BoxGrid(4.0, 10), cj.CellGrid(16)):
    density = cj.voxelize(*atoms, cell, grid=grid, sigma=1.5)
    assert density.max() * reference.peak(atoms[1], 1.5) > 35
    assert error(density, *atoms, cell, grid, 1.5) < 5e-6


@pytest.mark.parametrize('size', [(7, 9, 11), (6, 8, 10), 12])
def test_band_limit_keeps_the_frequencies_up_to_nyquist(size):
  positions, weights = crystal(8)
  grid, sigma = cj.CellGrid(size), 0.5
  density = cj.voxelize(
    positions, weights, CELL, grid=grid, sigma=sigma, band_limit=True
  )
  truth = reference.band_limited(positions, weights, CELL, grid, sigma)
  peak = 1 / reference.peak(weights, sigma)
  np.testing.assert_allclose(density, truth, atol=5e-6 * peak)
  assert error(density, positions, weights, CELL, grid, sigma) > 1e-3
