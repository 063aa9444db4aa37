"""What `voxelize` takes: a Crystal, lists, any byte order; what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from tests import crystals

BOX, CELL = cj.BoxGrid(4.0, 8), cj.CellGrid(8)
POSITIONS = np.array([[0.1, 0.2, 0.3], [1.0, 1.5, 2.0]])
WEIGHTS = np.array([6.0, 8.0])
LATTICE = np.diag([3.0, 3.5, 4.0])


def render(positions=POSITIONS, weights=WEIGHTS, cell=LATTICE, sigma=0.5):
  return cj.voxelize(positions, weights, cell, grid=BOX, sigma=sigma)


@pytest.mark.parametrize(
  'grid', [BOX, pytest.param(CELL, marks=pytest.mark.slow)], ids=str
)
def test_a_crystal_stands_for_its_positions_numbers_and_cell(grid):
  crystal = crystals.perovskite()
  density = cj.voxelize(crystal, grid=grid, sigma=0.5)
  np.testing.assert_array_equal(
    density,
    cj.voxelize(
      crystal.positions, crystal.numbers, crystal.cell, grid=grid, sigma=0.5
    ),
  )
  np.testing.assert_array_equal(
    cj.voxelize(crystal.pad(16), grid=grid, sigma=0.5).sum(), density.sum()
  )


@pytest.mark.slow
def test_weights_and_cell_beside_a_crystal_replace_its_own():
  crystal = crystals.perovskite()
  channels = np.eye(5)[:, :2]
  np.testing.assert_array_equal(
    cj.voxelize(crystal, channels, grid=BOX, sigma=0.5),
    cj.voxelize(crystal.positions, channels, crystal.cell, grid=BOX, sigma=0.5),
  )
  np.testing.assert_array_equal(
    cj.voxelize(crystal, cell=None, grid=BOX, sigma=0.5),
    cj.voxelize(crystal.positions, crystal.numbers, None, grid=BOX, sigma=0.5),
  )


@pytest.mark.slow
def test_a_crystal_is_traced_like_its_arrays():
  crystal = jax.tree.map(jnp.asarray, crystals.perovskite())
  render = lambda c: cj.voxelize(c, grid=BOX, sigma=0.5, max_images=256)
  np.testing.assert_allclose(
    jax.jit(render)(crystal), render(crystal), atol=1e-4
  )
  stacked = jax.tree.map(lambda a: jnp.stack([a, a]), crystal)
  both = cj.voxelize_batch(stacked, grid=BOX, sigma=0.5, max_images=256)
  np.testing.assert_allclose(both[1], render(crystal), atol=1e-4)


def test_positions_without_weights_or_cell_are_refused():
  for args in (POSITIONS,), (POSITIONS, WEIGHTS):
    with pytest.raises(ValueError, match='positions, weights and cell'):
      cj.voxelize(*args, grid=BOX, sigma=0.5)


KINDS = {
  'list': lambda x: np.asarray(x).tolist(),
  'big-endian': lambda x: np.asarray(x, '>f8'),
  'big-endian float32': lambda x: np.asarray(x, '>f4'),
  'big-endian int': lambda x: np.asarray(x).astype('>i4'),
  'float16': lambda x: np.asarray(x, np.float16),
  'long double': lambda x: np.asarray(x, np.longdouble),
  'list of arrays': lambda x: [jnp.asarray(row) for row in np.asarray(x)],
  'bfloat16': lambda x: jnp.asarray(x, jnp.bfloat16),
}


@pytest.mark.parametrize('kind', KINDS)
def test_numbers_of_every_kind_give_the_density_of_their_values(kind):
  for which, value in (0, POSITIONS), (1, WEIGHTS), (2, LATTICE):
    args = [POSITIONS, WEIGHTS, LATTICE]
    given = KINDS[kind](value)
    args[which] = np.array(
      [np.asarray(row, np.float64) for row in given], np.float64
    )
    plain = render(*args)
    args[which] = given
    np.testing.assert_allclose(render(*args), plain, atol=1e-5)


@pytest.mark.parametrize('kind', ['>f8', np.float16, np.longdouble])
def test_sigma_of_every_kind(kind):
  np.testing.assert_array_equal(
    render(sigma=np.asarray(0.5, kind)), render(sigma=0.5)
  )


@pytest.mark.parametrize(
  'change, message',
  [
    (dict(positions=[[0.0, 1.0, 2.0], [1.0]]), 'positions.*rectangular'),
    (dict(positions=[['a', 'b', 'c']] * 2), 'positions.*real numbers'),
    (dict(positions=POSITIONS + 1j), 'positions.*real numbers'),
    (dict(positions=None), 'positions.*real numbers'),
    (dict(weights=['C', 'O']), 'weights.*real numbers'),
    (dict(weights=np.ma.array(WEIGHTS, mask=[0, 1])), 'weights.*masked'),
    (dict(cell='cubic'), 'cell.*real numbers'),
    (dict(cell=[3.0, 3.5, 4.0]), '3×3 cell'),
    (dict(sigma='0.5'), 'sigma.*real numbers'),
    (dict(sigma=[0.5, 0.5]), 'one sigma'),
    (dict(sigma=0), 'positive'),
  ],
  ids=str,
)
def test_what_is_no_array_of_numbers_is_refused_by_name(change, message):
  with pytest.raises(ValueError, match=message):
    render(**change)


@pytest.mark.parametrize('kind', ['>f8', np.float16])
def test_labels_and_counts_take_the_same_numbers(kind):
  positions, cell = POSITIONS.astype(kind), LATTICE.astype(kind)
  same = positions.astype(float), cell.astype(float)
  np.testing.assert_array_equal(
    cj.label_species(positions, WEIGHTS.astype('>i4'), cell, grid=BOX),
    cj.label_species(same[0], WEIGHTS.astype(int), same[1], grid=BOX),
  )
  assert cj.count_images(positions, cell, grid=BOX) == cj.count_images(
    *same, grid=BOX
  )
