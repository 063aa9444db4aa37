"""Density to atoms: on boxes and cells, with noise, and inside jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from tests import crystals

CELL = cj.CellGrid(24)
BOX = cj.BoxGrid(6.0, 30)


def decode_cell(crystal, density=None, **options):
  if density is None:
    density = voxelize_cell(crystal)
  atoms = cj.decode_density(
    density, grid=CELL, sigma=0.5, cell=crystal.cell, max_atoms=32, **options
  )
  return jax.tree.map(np.asarray, atoms)


def voxelize_cell(crystal):
  padded = crystal.pad(24)
  return cj.voxelize(
    padded.positions,
    padded.numbers,
    padded.cell,
    grid=CELL,
    sigma=0.5,
    band_limit=True,
  )


def pair_distances(a, b, cell=None):
  """[len(a), len(b)]: distances, to the nearest image if there is a cell."""
  difference = a[:, None] - b[None]
  if cell is not None:
    fractional = difference @ np.linalg.inv(cell)
    difference = (fractional - np.rint(fractional)) @ cell
  return np.linalg.norm(difference, axis=-1)


def assert_same_atoms(atoms, positions, numbers, cell=None, within=1e-3):
  found = atoms.positions[atoms.mask]
  assert len(found) == len(positions)
  distances = pair_distances(positions, found, cell)
  nearest = distances.argmin(axis=1)
  assert len(set(nearest)) == len(nearest)
  assert distances.min(axis=1).max() < within
  np.testing.assert_array_equal(atoms.numbers[atoms.mask][nearest], numbers)


@pytest.mark.parametrize(
  'make',
  [
    crystals.perovskite, crystals.wurtzite, crystals.bcc, crystals.hydride,
    crystals.layered, pytest.param(crystals.silicate, marks=pytest.mark.slow),
  ],
  ids=lambda f: f.__name__,
)  # fmt: skip
def test_cell_gives_every_atom_back(make):
  crystal = make()
  atoms = decode_cell(crystal)
  assert_same_atoms(
    atoms, crystal.positions, crystal.numbers, crystal.cell, within=5e-3
  )
  assert atoms.residual < 2e-3
  assert not atoms.overflow
  np.testing.assert_array_equal(atoms.inside, atoms.mask)


@pytest.mark.slow
def test_sampled_density_of_a_long_cell_is_no_worse_than_a_band_limited_one():
  crystal = crystals.layered()
  padded = crystal.pad(24)
  density = cj.voxelize(
    padded.positions, padded.numbers, padded.cell, grid=CELL, sigma=0.5
  )
  atoms = decode_cell(crystal, density)
  assert_same_atoms(
    atoms, crystal.positions, crystal.numbers, crystal.cell, within=5e-3
  )


def molecule():
  """H beside Pb, C-O and O-H at 1 Å: light atoms without a maximum."""
  positions = np.array(
    [
      [-1.0, -1.0, -1.0],
      [0.9, -1.0, -1.0],
      [1.2, 1.0, 0.5],
      [1.2, 1.0, 1.5],
      [-1.1, 1.2, 0.4],
    ]
  )
  return positions, np.array([82, 1, 8, 1, 6])


def decode_box(density, **options):
  atoms = cj.decode_density(
    density, grid=BOX, sigma=0.5, max_atoms=16, **options
  )
  return jax.tree.map(np.asarray, atoms)


def voxelize_box(positions, numbers, sigma=0.5):
  return cj.voxelize(positions, numbers, None, grid=BOX, sigma=sigma)


@pytest.mark.slow
def test_box_gives_atoms_back_that_have_no_maximum():
  positions, numbers = molecule()
  atoms = decode_box(voxelize_box(positions, numbers))
  assert_same_atoms(atoms, positions, numbers)
  assert atoms.residual < 1e-4


def test_atom_outside_a_wall_is_fitted_and_flagged():
  positions = np.array([[0.0, 0, 0], [2.6, 1.0, 0], [3.3, -1.0, 0]])
  atoms = decode_box(voxelize_box(positions, np.array([22, 8, 8])))
  assert_same_atoms(atoms, positions, [22, 8, 8], within=0.02)
  outside = np.abs(atoms.positions[:, 0]) > 3
  np.testing.assert_array_equal(atoms.mask & ~atoms.inside, outside)


def test_no_density_is_no_atoms():
  atoms = decode_box(jnp.zeros(BOX.shape))
  assert not atoms.mask.any()
  assert not atoms.numbers.any()
  assert atoms.residual == 0


@pytest.mark.parametrize('share', [0.01, 0.1])
@pytest.mark.parametrize('smooth', [False, True])
def test_atoms_stand_out_from_noise_of_a_share_of_a_carbon_peak(share, smooth):
  positions = np.array([[-1.2, 0.3, 0.1], [1.1, 0.2, -0.4], [0.1, -1.9, 1.3]])
  numbers = np.array([22, 8, 14])
  noise = np.random.default_rng(0).normal(size=BOX.shape)
  if smooth:
    import scipy.ndimage

    noise = scipy.ndimage.gaussian_filter(noise, 0.5 / BOX.spacing)
    noise /= noise.std()
  peak = 6 * (2 * np.pi * 0.25) ** -1.5
  density = voxelize_box(positions, numbers) + share * peak * noise
  atoms = decode_box(density.astype(np.float32))
  found = atoms.positions[atoms.mask]
  distances = pair_distances(positions, found)
  assert distances.min(axis=1).max() < (0.05 if share < 0.05 else 0.15)
  nearest = distances.argmin(axis=1)
  if smooth and share == 0.1:
    # Blobs as wide and as heavy as the noise allows pass for light atoms.
    spare = np.delete(atoms.weights[atoms.mask], nearest)
    assert spare.max() < 6
  else:
    assert len(found) == len(positions)
  miss = atoms.weights[atoms.mask][nearest] - numbers
  assert np.abs(miss).max() < (0.5 if share < 0.05 else 3)


def test_logits_decide_between_neighbours_only_where_the_density_may_be_wrong():
  positions = np.array([[-1.2, 0.3, 0.1], [1.1, 0.2, -0.4]])
  numbers = np.array([26, 8])
  labels = cj.label_species(positions, numbers, None, grid=BOX)
  logits = 6.0 * jax.nn.one_hot(labels, 95)
  noise = np.random.default_rng(0).normal(size=BOX.shape)
  noisy = voxelize_box(positions, np.array([25.4, 8.2])) + 0.02 * noise
  noisy = np.asarray(noisy, np.float32)
  assert_same_atoms(
    decode_box(noisy, logits=logits), positions, numbers, within=0.1
  )
  # A density that fits to the last digit is not overruled.
  wrong = 6.0 * jax.nn.one_hot(jnp.where(labels == 26, 50, labels), 95)
  true = voxelize_box(positions, numbers)
  assert_same_atoms(decode_box(true, logits=wrong), positions, numbers)


@pytest.mark.slow
def test_batch_equals_one_by_one_and_runs_inside_jit():
  positions, numbers = molecule()
  first = voxelize_box(positions, numbers)
  batch = jnp.stack([first, first[::-1]])
  options = dict(grid=BOX, sigma=0.5, max_atoms=16)
  together = jax.jit(lambda d: cj.decode_batch(d, **options))(batch)
  alone = cj.decode_density(first, **options)
  # As one program, though nothing in it is an argument.
  inside = jax.jit(lambda: cj.decode_density(first, **options))()
  assert together.positions.shape == (2, 16, 3)
  one = jax.tree.map(lambda x: x[0], together)
  for same in (one, inside):
    # In another order where two weigh the same but for rounding.
    assert_same_atoms(
      same, alone.positions[alone.mask], alone.numbers[alone.mask], within=1e-4
    )
    np.testing.assert_allclose(same.weights, alone.weights, atol=1e-3)
  mirrored = np.sort(-np.asarray(together.positions[1])[:, 0])
  np.testing.assert_allclose(
    mirrored, np.sort(np.asarray(alone.positions)[:, 0]), atol=1e-3
  )
