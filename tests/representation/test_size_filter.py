"""Which crystals fit a box at every rotation."""

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.representation import augment
from crystal_jax.representation import size_filter as fits_lib


def make(count=64, slots=6, seed=0):
  rng = np.random.default_rng(seed)
  atoms = np.arange(slots)[None] < rng.integers(1, slots + 1, count)[:, None]
  cell = np.diag([3.0, 6.0, 9.0]) + rng.normal(0, 1, (count, 3, 3))
  fractional = rng.uniform(-2, 2, (count, slots, 3))
  return {
    'numbers': np.where(atoms, 8, 0).astype(np.int32),
    'positions': (np.where(atoms[..., None], fractional, 0) @ cell).astype(
      np.float32
    ),
    'cell': cell.astype(np.float32),
    'id': np.array([f'x{i}' for i in range(count)]),
  }


def twin(numbers, positions, cell, length, sigma):
  """The definition, in float64, atom by atom."""
  positions = positions[numbers > 0].astype(float)
  fractional = positions @ np.linalg.inv(cell)
  wrapped = (fractional - np.floor(fractional + 1e-4)) @ cell
  radii = np.linalg.norm(wrapped - wrapped.mean(0), axis=1)
  return (radii <= length / 2 - 2 * sigma).all()


def test_it_is_the_definition():
  arrays = make()
  columns = [arrays[name] for name in ('numbers', 'positions', 'cell')]
  fits = fits_lib.fits_box(*columns, length=10.0, sigma=0.5)
  expected = [twin(*row, 10.0, 0.5) for row in zip(*columns, strict=True)]
  np.testing.assert_array_equal(fits, expected)
  assert 10 < fits.sum() < 54
  # One crystal alone, and a grid of them.
  for i in (0, 1):
    one = fits_lib.fits_box(*(c[i] for c in columns), length=10.0, sigma=0.5)
    assert one == fits[i]


def test_what_fits_stays_inside_at_every_rotation():
  arrays = make()
  kept, _ = fits_lib.keep_fitting(arrays, length=10.0, sigma=0.5)
  keys = jax.random.split(jax.random.key(0), 50)

  @jax.jit
  @jax.vmap
  def reach(numbers, positions, cell):
    def one(key):
      placed, _ = augment.place(
        key, positions, numbers, cell, filling='single_cell'
      )
      return jnp.abs(placed).max()

    return jax.vmap(one)(keys).max()

  columns = [kept[name] for name in ('numbers', 'positions', 'cell')]
  assert (reach(*columns) <= 4.0 + 1e-4).all()


def test_the_dropped_are_named_with_a_reason():
  arrays = make()
  kept, dropped = fits_lib.keep_fitting(arrays, length=10.0, sigma=0.5)
  assert set(kept) == set(arrays)
  assert sorted([*kept['id'], *(id_ for id_, _ in dropped)]) == sorted(
    arrays['id']
  )
  fits = fits_lib.fits_box(
    *(kept[name] for name in ('numbers', 'positions', 'cell')), 10.0, 0.5
  )
  assert fits.all() and len(dropped)
  assert all('Å from the centre, beyond 4.00 Å' in why for _, why in dropped)


def test_one_atom_always_fits():
  one = np.array([26]), np.array([[9.0, -4.0, 70.0]]), 80 * np.eye(3)
  assert fits_lib.fits_box(*one, length=10.0, sigma=0.5)
