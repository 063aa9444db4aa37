"""Filter of crystals by the size of their single cell, which fits the box."""

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.representation import augment
from crystal_jax.representation.size_filter import keep_fitting

BOX = {'length': 10.0, 'sigma': 0.5}  # Å.
MAX_RADIUS = 4.0  # length / 2 - 2 * sigma, Å.


def random_columns(count=64, slots=6, seed=0):
  """Oxygen crystals of 1 to `slots` atoms, inside the cell or outside it."""
  rng = np.random.default_rng(seed)
  filled = np.arange(slots)[None] < rng.integers(1, slots + 1, count)[:, None]
  cell = np.diag([3.0, 6.0, 9.0]) + rng.normal(0, 1, (count, 3, 3))
  fractional = rng.uniform(-2, 2, (count, slots, 3))
  return {
    'numbers': np.where(filled, 8, 0).astype(np.int32),
    'positions': (np.where(filled[..., None], fractional, 0) @ cell).astype(
      np.float32
    ),
    'cell': cell.astype(np.float32),
    'id': np.array([f'x{i}' for i in range(count)]),
  }


def fits(numbers, positions, cell, length, sigma):
  """Whether one cell fits at any rotation, by the definition, in float64."""
  positions = positions[numbers > 0].astype(float)
  fractional = positions @ np.linalg.inv(cell)
  wrapped = (fractional - np.floor(fractional + 1e-4)) @ cell
  radii = np.linalg.norm(wrapped - wrapped.mean(0), axis=1)
  return (radii <= length / 2 - 2 * sigma).all()


def test_crystals_are_kept_as_defined():
  arrays = random_columns()
  columns = [arrays[name] for name in ('numbers', 'positions', 'cell')]
  kept, _ = keep_fitting(arrays, **BOX)
  is_kept = np.isin(arrays['id'], kept['id'])
  expected = [fits(*row, **BOX) for row in zip(*columns, strict=True)]
  np.testing.assert_array_equal(is_kept, expected)
  assert 10 < is_kept.sum() < 54
  for i in (0, 1):  # One crystal alone.
    one = {name: column[i : i + 1] for name, column in arrays.items()}
    assert len(keep_fitting(one, **BOX)[0]['id']) == is_kept[i]


def test_kept_crystals_stay_inside_at_every_rotation():
  arrays = random_columns()
  kept, _ = keep_fitting(arrays, **BOX)
  keys = jax.random.split(jax.random.key(0), 50)

  @jax.jit
  @jax.vmap
  def farthest_coordinate(numbers, positions, cell):
    def at_one_rotation(key):
      placed, _ = augment.place(
        key, positions, numbers, cell, filling='single_cell'
      )
      return jnp.abs(placed).max()

    return jax.vmap(at_one_rotation)(keys).max()

  columns = [kept[name] for name in ('numbers', 'positions', 'cell')]
  assert (farthest_coordinate(*columns) <= MAX_RADIUS + 1e-4).all()


def test_dropped_crystals_have_a_reason():
  arrays = random_columns()
  kept, dropped = keep_fitting(arrays, **BOX)
  assert set(kept) == set(arrays)
  assert sorted([*kept['id'], *(id_ for id_, _ in dropped)]) == sorted(
    arrays['id']
  )
  assert len(kept['id']) and len(dropped)
  assert all(
    'Å from the centre, beyond 4.00 Å' in reason for _, reason in dropped
  )


def test_one_atom_always_fits():
  one = {
    'numbers': np.array([[26]]),
    'positions': np.array([[[9.0, -4.0, 70.0]]]),
    'cell': 80 * np.eye(3)[None],
  }
  assert len(keep_fitting(one, **BOX)[0]['numbers'])
