"""The voxelizer: laws of physics, then a float64 twin, then JAX behaviour.

`FORMS` has a grid and sigma for each way in which a density is computed; what
is true of a density has to be true of all of them.
"""

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.density import box_density, image_counts, split
from crystal_jax.density.box_density import low_rank_basis
from crystal_jax.density.grids import resolves
from crystal_jax.density.voxelize import _voxelize
from crystal_jax.density.wave_density import is_small
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


def test_each_form_is_what_it_is_called():
  def rank(grid, sigma):
    return low_rank_basis(grid, sigma, 64, np.dtype(np.float32))

  assert rank(*FORMS['slabs']) is None
  assert rank(*FORMS['low rank']).shape[1] < 20
  assert not resolves(FORMS['direct'][0], CELL, 0.5)
  assert resolves(FORMS['fourier'][0], CELL, 0.5)


# Laws.


def test_integral_over_the_cell_is_the_sum_of_weights():
  positions, weights = crystal(1)
  grid, sigma = FORMS['fourier']
  density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=sigma)
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
  run = voxelizer(grid, sigma)
  density = run(positions, weights, CELL)
  moved = positions + np.array([[3, -7, 2]]) @ CELL
  order = np.array([2, 0, 3, 1])
  holes = np.zeros((9, 3)), np.zeros(9)
  holes[0][[1, 4, 5, 8]], holes[1][[1, 4, 5, 8]] = positions, weights
  peak = 1 / reference.peak(weights, sigma)
  for other in [
    run(moved, weights, CELL),
    run(positions[order], weights[order], CELL),
    run(*holes, CELL),
    run(positions, weights, np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ CELL)
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


# The float64 twin.


@pytest.mark.parametrize('channels', [None, 3])
@forms
def test_equals_float64_sum_over_all_images(grid, sigma, channels):
  positions, weights = crystal(5)
  if channels:
    weights = weights[:, None] * np.random.default_rng(0).random((1, channels))
  density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=sigma)
  assert density.dtype == jnp.float32
  assert error(density, positions, weights, CELL, grid, sigma) < 2e-6


@pytest.mark.parametrize('name', ['slabs', 'low rank'])
def test_without_a_cell_there_are_no_images(name):
  grid, sigma = FORMS[name]
  positions, weights = crystal(6, spread=5.0)
  density = cj.voxelize(positions, weights, None, grid=grid, sigma=sigma)
  assert error(density, positions, weights, None, grid, sigma) < 5e-6


@forms
def test_x64_mode_is_exact_to_1e_6(grid, sigma):
  positions, weights = crystal(7)
  with jax.enable_x64(True):
    density = cj.voxelize(positions, weights, CELL, grid=grid, sigma=sigma)
    assert density.dtype == jnp.float64
    # Far below 1e-6, so that float32 hides nowhere.
    assert error(density, positions, weights, CELL, grid, sigma) < 1e-8


GRIDS = [
  cj.BoxGrid(10.0, 16),
  cj.BoxGrid(5.0, 18),
  cj.CellGrid(16),
  cj.CellGrid((16, 24, 18)),
]


@hypothesis.settings(max_examples=24, deadline=None, derandomize=True)
@hypothesis.given(
  lengths=st.tuples(*[st.floats(1.5, 60.0)] * 3),
  angles=st.tuples(*[st.floats(25.0, 150.0)] * 3),
  sigma=st.sampled_from([0.2, 0.5, 1.0, 1.5]),
  grid=st.sampled_from(GRIDS),
  seed=st.integers(0, 99),
)
@hypothesis.example(  # four thousand images: adding them up lost digits
  lengths=(2.0, 2.0, 10.0),
  angles=(25.0, 25.0, 25.0),
  sigma=1.0,
  grid=cj.CellGrid(16),
  seed=0,
)
def test_exact_on_any_lattice(lengths, angles, sigma, grid, seed):
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
  rung = 64 if count <= 64 else 512 if count <= 512 else 4096  # fewer traces
  density = cj.voxelize(
    positions, weights, cell, grid=grid, sigma=sigma, max_images=rung
  )
  truth = positions[filled], weights[filled]
  assert error(density, *truth, cell, grid, sigma) < 5e-6


def test_one_atom_in_the_smallest_cell_and_many_in_the_largest():
  tiny = reference.triclinic((1.5, 1.5, 1.5), (90.0, 90.0, 90.0))
  large = reference.triclinic((60.0, 60.0, 60.0), (60.0, 60.0, 60.0))
  rng = np.random.default_rng(0)
  many = rng.uniform(-1, 1, (400, 3)) @ large, rng.integers(1, 90, 400)
  for grid in (cj.BoxGrid(10.0, 16), cj.CellGrid(16)):
    one = np.array([[0.3, 0.2, 0.1]]), np.array([82.0])
    density = cj.voxelize(*one, tiny, grid=grid, sigma=0.5)
    assert error(density, *one, tiny, grid, 0.5) < 5e-6
    density = cj.voxelize(*many, large, grid=grid, sigma=0.2)
    assert error(density, *many, large, grid, 0.2) < 5e-6


@pytest.mark.parametrize(
  'angle, sigma', [(90, 1.4), (40, 1.0), (60, 1.5), (25, 0.745), (25, 1.5)]
)
def test_exact_where_a_density_is_many_single_peaks_high(angle, sigma):
  tiny = reference.triclinic((1.5,) * 3, (angle,) * 3)
  assert is_small(jnp.asarray(tiny, jnp.float32), sigma)
  one = np.array([[0.3, 0.2, 0.1]]), np.array([82.0])
  for grid in (cj.BoxGrid(5.0, 18), cj.CellGrid(16)):
    density = cj.voxelize(*one, tiny, grid=grid, sigma=sigma)
    assert density.max() * reference.peak(one[1], sigma) > 12
    assert error(density, *one, tiny, grid, sigma) < 5e-6


def test_exact_where_hundreds_of_atoms_overlap():
  # What rounding does to all atoms alike adds up.
  cell = reference.triclinic((7.0, 7.0, 7.0), (90.0, 90.0, 90.0))
  rng = np.random.default_rng(0)
  atoms = rng.random((400, 3)) @ cell, rng.integers(1, 90, 400)
  for grid in (cj.BoxGrid(4.0, 10), cj.CellGrid(16)):
    density = cj.voxelize(*atoms, cell, grid=grid, sigma=1.5)
    assert density.max() * reference.peak(atoms[1], 1.5) > 35
    assert error(density, *atoms, cell, grid, 1.5) < 5e-6


def test_derivatives_where_thousands_of_images_are_a_few_waves():
  cell = reference.triclinic((2.0, 1.8, 1.6), (80.0, 95.0, 110.0))
  grid, sigma = cj.BoxGrid(3.0, 6), np.float64(1.0)
  positions, weights = crystal(9, atoms=2)
  field = np.random.default_rng(1).normal(size=grid.shape)
  args = positions, weights, cell, sigma

  def loss(p, w, c, s):
    density = cj.voxelize(p, w, c, grid=grid, sigma=s, max_images=2048)
    return (density * jnp.asarray(field, jnp.float32)).sum()

  def twin(p, w, c, s):
    return (reference.density(p, w, c, grid, s) * field).sum()

  grads = jax.grad(loss, argnums=(0, 1, 2, 3))(*float32(args))
  for which in range(4):
    along = np.random.default_rng(2).normal(size=np.shape(args[which]))
    sides = [
      [a + s * along if i == which else a for i, a in enumerate(args)]
      for s in (-1e-4, 1e-4)
    ]
    slope = (twin(*sides[1]) - twin(*sides[0])) / 2e-4
    ours = np.sum(np.asarray(grads[which], np.float64) * along)
    size = np.linalg.norm(grads[which]) * np.linalg.norm(along)
    assert abs(ours - slope) < 1e-4 * size


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


# Derivatives.


def loss_and_twin(grid, sigma):
  """A scalar of the density, and the same from the float64 twin."""
  positions, weights = crystal(9)
  mask = np.random.default_rng(1).normal(size=grid.shape)
  args = positions, weights, CELL, np.float64(sigma)

  def loss(positions, weights, cell, sigma):
    density = voxelizer(grid, sigma)(positions, weights, cell)
    return (density * jnp.asarray(mask, jnp.float32)).sum()

  def twin(positions, weights, cell, sigma):
    truth = reference.density(positions, weights, cell, grid, sigma)
    return (truth * mask).sum()

  rng = np.random.default_rng(2)
  along = tuple(np.asarray(rng.normal(size=np.shape(a))) for a in args)
  return loss, twin, args, along


def float32(tree):
  return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), tree)


@forms
def test_derivatives_equal_finite_differences(grid, sigma):
  loss, twin, args, along = loss_and_twin(grid, sigma)
  grads = jax.grad(loss, argnums=(0, 1, 2, 3))(*float32(args))
  for which, scale in enumerate((1e-4, 1e-3, 1e-5, 1e-4)):

    def moved(step, which=which):
      return [
        a + step * v if i == which else a
        for i, (a, v) in enumerate(zip(args, along, strict=True))
      ]

    slope = (twin(*moved(scale)) - twin(*moved(-scale))) / (2 * scale)
    ours = np.sum(np.asarray(grads[which], np.float64) * along[which])
    size = np.linalg.norm(grads[which]) * np.linalg.norm(along[which])
    assert abs(ours - slope) < 1e-4 * size

    tangents = [a * (i == which) for i, a in enumerate(float32(along))]
    _, forward = jax.jvp(loss, float32(args), tuple(tangents))
    assert abs(forward - slope) < 1e-4 * size


@pytest.mark.parametrize(
  'name',
  ['slabs', pytest.param('low rank', marks=pytest.mark.slow), 'fourier'],
)
def test_hessian_vector_product_equals_finite_differences(name):
  grid, sigma = FORMS[name]
  loss, twin, args, along = loss_and_twin(grid, sigma)
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
  values = [twin(args[0] + s * along[0], *args[1:]) for s in (-step, 0, step)]
  curvature = (values[0] - 2 * values[1] + values[2]) / step**2
  size = np.linalg.norm(product) * np.linalg.norm(direction)
  assert abs(np.vdot(product, direction) - curvature) < 1e-4 * size


@pytest.mark.parametrize(
  'grid',
  [
    cj.BoxGrid(3.0, 3),
    cj.CellGrid(16),
    pytest.param(cj.CellGrid(8), marks=pytest.mark.slow),
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


# JAX behaviour.


@forms
def test_too_few_images_give_nan_and_never_a_density_with_atoms_missing(
  grid, sigma
):
  positions, weights = crystal()
  run = functools.partial(cj.voxelize, grid=grid, sigma=sigma)
  assert jnp.isnan(run(positions, weights, CELL, max_images=3)).all()
  enough = cj.count_images(positions, CELL, grid=grid, sigma=sigma)
  density = run(positions, weights, CELL, max_images=enough)
  assert error(density, positions, weights, CELL, grid, sigma) < 5e-6


@forms
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


@pytest.mark.parametrize(
  'name', ['slabs', pytest.param('direct', marks=pytest.mark.slow)]
)
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


def test_one_trace_for_crystals_that_share_a_rung():
  run = functools.partial(cj.voxelize, grid=cj.BoxGrid(7.0, 8), sigma=0.5)
  counts = [
    cj.count_images(crystal(s)[0], CELL, grid=cj.BoxGrid(7.0, 8), sigma=0.5)
    for s in range(6)
  ]
  rungs = {image_counts.ladder(count) for count in counts}
  assert len(rungs) < len(set(counts))
  before = _voxelize._cache_size()
  for seed in range(6):
    run(*crystal(seed), CELL)
  assert _voxelize._cache_size() == before + len(rungs)


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
  good = {
    'positions': positions,
    'weights': weights,
    'cell': CELL,
    'grid': cj.CellGrid(8),
    'sigma': 0.5,
  }
  with pytest.raises(ValueError, match=message):
    cj.voxelize(**(good | change))


def test_no_atoms_is_an_empty_box():
  for grid in (cj.BoxGrid(4.0, 4), cj.CellGrid(4)):
    for empty in (0, 3):
      density = cj.voxelize(
        np.zeros((empty, 3)), np.zeros(empty), CELL, grid=grid, sigma=0.5
      )
      assert density.shape == (4, 4, 4) and not density.any()


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


def test_plain_product_of_accelerators_equals_the_twin_and_the_slabs():
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
