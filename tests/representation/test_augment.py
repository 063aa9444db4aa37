import ase
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.representation import augment

KEY = jax.random.key(0)


def rutile():
  return ase.Atoms(
    'Ti2O4',
    scaled_positions=[
      (0, 0, 0), (0.5, 0.5, 0.5), (0.3, 0.3, 0), (0.7, 0.7, 0),
      (0.2, 0.8, 0.5), (0.8, 0.2, 0.5),
    ],
    cell=(4.6, 4.6, 2.95),
    pbc=True,
  )  # fmt: skip


def crystal(slots=9):
  """Rutile in a skewed cell, its atoms scattered over several cells."""
  atoms = rutile()
  atoms.set_cell(
    atoms.cell[:] + [[0, 0, 0], [1.0, 0, 0], [0.5, -0.7, 0]], scale_atoms=True
  )
  atoms.positions += np.arange(6)[:, None] * atoms.cell[1] - atoms.cell[0]
  padded = cj.Crystal.from_ase(atoms).pad(slots)
  return jax.tree.map(jnp.asarray, padded)


def distances(positions):
  return np.linalg.norm(positions[:, None] - positions[None], axis=-1)


def modulo(vectors, cell):
  """Vectors less the nearest lattice vector, Å."""
  fractional = np.asarray(vectors) @ np.linalg.inv(cell)
  return (fractional - np.round(fractional)) @ np.asarray(cell)


def test_rotations_are_rotations():
  keys = jax.random.split(KEY, 64)
  rotations = jax.jit(jax.vmap(augment.random_rotation))(keys)
  assert rotations.dtype == jnp.float32
  products = np.einsum('bij,bkj->bik', rotations, rotations)
  np.testing.assert_allclose(
    products, np.tile(np.eye(3), (64, 1, 1)), atol=1e-6
  )
  np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-6)


def test_rotations_are_uniform():
  """Moments of the Haar measure, and the law of the rotation angle."""
  count = 40_000
  rotations = np.asarray(
    jax.vmap(augment.random_rotation)(jax.random.split(KEY, count))
  )
  # Every entry has mean 0, and two entries are uncorrelated, variance 1/3.
  flat = rotations.reshape(count, 9)
  np.testing.assert_allclose(flat.mean(0), 0, atol=5 / np.sqrt(3 * count))
  np.testing.assert_allclose(flat.T @ flat / count, np.eye(9) / 3, atol=0.01)
  # An entry of a uniform unit vector is uniform in [-1, 1] (Archimedes).
  for entry in flat.T:
    uniform = np.sort((entry + 1) / 2)
    gap = np.abs(uniform - (np.arange(count) + 0.5) / count).max()
    assert gap < 1.95 / np.sqrt(count)  # Kolmogorov, one in 1000.
  # P(angle < t) = (t - sin t) / π.
  angle = np.sort(np.arccos(np.clip((np.trace(rotations.T) - 1) / 2, -1, 1)))
  law = (angle - np.sin(angle)) / np.pi
  gap = np.abs(law - (np.arange(count) + 0.5) / count).max()
  assert gap < 1.95 / np.sqrt(count)


def test_wrapping_moves_by_lattice_vectors_into_the_cell():
  c = crystal()
  wrapped = augment.wrap(c.positions, c.cell)
  fractional = np.asarray(wrapped) @ np.linalg.inv(c.cell)
  assert (fractional > -2e-4).all() and (fractional < 1).all()
  np.testing.assert_allclose(
    modulo(wrapped - c.positions, c.cell), 0, atol=1e-5
  )


def test_atoms_on_opposite_walls_are_wrapped_alike():
  cell = 4 * jnp.eye(3)
  positions = jnp.array([[0, 0, 0], [-1e-6, 4 - 1e-5, 8 + 1e-5]])
  np.testing.assert_allclose(augment.wrap(positions, cell), 0, atol=2e-5)


@pytest.mark.parametrize('rotate', [False, True])
def test_a_single_cell_is_wrapped_and_centred_on_its_mean(rotate):
  c = crystal()
  positions, _ = augment.place(
    KEY, c.positions, c.numbers, c.cell, filling='single_cell', rotate=rotate
  )
  np.testing.assert_allclose(positions.mean(0), 0, atol=1e-6)
  wrapped = augment.wrap(c.positions, c.cell)
  np.testing.assert_allclose(
    distances(positions[:6]), distances(wrapped[:6]), atol=1e-5
  )
  assert not positions[6:].any()


def test_any_image_of_an_atom_gives_the_same():
  c = crystal()
  moved = c.positions + (3 * c.cell[:1] - 2 * c.cell[2:])
  first = augment.centre(c.positions, c.numbers, c.cell)
  second = augment.centre(moved, c.numbers, c.cell)
  np.testing.assert_allclose(first, second, atol=2e-5)


def test_sample_zero_is_centred_on_the_cell():
  c = crystal()
  positions, cell = augment.place(
    KEY, c.positions, c.numbers, c.cell, filling='repeating', rotate=False
  )
  np.testing.assert_array_equal(cell, c.cell)
  np.testing.assert_allclose(
    (positions - c.positions)[:6], np.tile(-c.cell.sum(0) / 2, (6, 1)),
    atol=1e-6,
  )  # fmt: skip
  assert not positions[6:].any()


def test_other_samples_are_centred_on_random_points():
  c = crystal()

  @jax.vmap
  def origin(key):
    positions, _ = augment.place(
      key, c.positions, c.numbers, c.cell, filling='repeating',
      sample=1, rotate=False,
    )  # fmt: skip
    return (c.positions - positions)[0]

  origins = origin(jax.random.split(KEY, 2000))
  fractional = np.asarray(origins) @ np.linalg.inv(c.cell)
  assert (fractional > -1e-5).all() and (fractional < 1 + 1e-5).all()
  np.testing.assert_allclose(fractional.mean(0), 0.5, atol=0.03)
  np.testing.assert_allclose(fractional.var(0), 1 / 12, atol=0.01)


def test_cell_and_atoms_rotate_together():
  c = crystal()
  still, _ = augment.place(
    KEY, c.positions, c.numbers, c.cell, filling='repeating', rotate=False
  )
  turned, cell = augment.place(
    KEY, c.positions, c.numbers, c.cell, filling='repeating'
  )
  np.testing.assert_allclose(cell @ cell.T, c.cell @ c.cell.T, atol=1e-4)
  np.testing.assert_allclose(
    np.linalg.det(cell), np.linalg.det(c.cell), rtol=1e-5
  )
  np.testing.assert_allclose(
    (turned @ np.linalg.inv(cell))[:6],
    (still @ np.linalg.inv(c.cell))[:6],
    atol=1e-5,
  )


def test_batches_of_mixed_samples_and_empty_slots():
  """Under vmap and jit, with the sample traced; a slot more changes nothing."""
  small, large = crystal(6), crystal(12)

  def place(c):
    def one(key, sample):
      return augment.place(
        key, c.positions, c.numbers, c.cell, filling='repeating', sample=sample
      )

    keys = jax.random.split(KEY, 3)
    return jax.jit(jax.vmap(one))(keys, jnp.arange(3))

  (few, cells), (many, same_cells) = place(small), place(large)
  np.testing.assert_allclose(few, many[:, :6], atol=1e-5)
  np.testing.assert_allclose(cells, same_cells, atol=1e-5)
  assert not many[:, 6:].any()
  # An empty crystal, as padded batches hold, gives no NaN.
  for filling in augment.FILLINGS:
    placed, _ = augment.place(
      KEY, jnp.zeros((2, 3)), jnp.zeros(2, int), jnp.eye(3), filling=filling
    )
    np.testing.assert_array_equal(placed, 0)


def test_gradients_are_finite():
  c = crystal()

  def loss(positions, cell):
    placed, _ = augment.place(
      KEY, positions, c.numbers, cell, filling='single_cell'
    )
    return (placed**2).sum()

  for gradient in jax.grad(loss, argnums=(0, 1))(c.positions, c.cell):
    assert np.isfinite(gradient).all()


def test_an_unknown_filling_is_named():
  c = crystal()
  with pytest.raises(ValueError, match="filling='full'.*single_cell"):
    augment.place(KEY, c.positions, c.numbers, c.cell, filling='full')
