"""Exactly so many atoms of a field, and a composition assigned to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.representation import counted_atoms, known_composition
from crystal_jax.representation.cell import Cell
from crystal_jax.representation.separation import Separation
from crystal_jax.structure import composition, elements, pair_statistics
from crystal_jax.structure.composition import Contents

CELL = Cell(size=16, sigma=0.9, max_atoms=20, closest=1.0)
DENSITY = jax.jit(CELL._density)


def fields(rng, number, atoms, spacing=2.2):
  """Random atoms on the cube, at least so many voxels from each other."""
  found = []
  while len(found) < number:
    kept = np.zeros((0, 3))
    for point in rng.random((400, 3)):
      steps = kept - point
      steps -= np.rint(steps)
      if (
        len(kept) < atoms
        and (np.linalg.norm(steps, axis=1) * CELL.size > spacing).all()
      ):
        kept = np.vstack([kept, point])
    if len(kept) == atoms:
      found.append(kept)
  return np.array(found, np.float32)


def occupancy(fractional):
  ones = jnp.zeros((*fractional.shape[:2], 12)).at[..., 0].set(1.0)
  return DENSITY(ones, jnp.asarray(fractional))[..., 0]


def separation(number, closest=0.0, side=6.0):
  """Cubes of a side, and a least distance, Å."""
  cells = jnp.broadcast_to(side * jnp.eye(3), (number, 3, 3))
  return Separation(cells, jnp.full(number, closest))


def errors(found, filled, true):
  """Distance in voxels from each true atom to the nearest found one."""
  for positions, mask, wanted in zip(found, filled, true, strict=True):
    steps = wanted[:, None] - np.asarray(positions)[np.asarray(mask)]
    steps = steps - np.rint(steps)
    yield np.linalg.norm(steps, axis=-1).min(1) * CELL.size


@pytest.mark.parametrize('atoms', [1, 9, 18])
def test_true_atoms_come_back(atoms):
  true = fields(np.random.default_rng(atoms), 4, atoms)
  found, filled, rms = counted_atoms.find_counted(
    occupancy(true), jnp.full(4, atoms), separation(4), sigma=0.9, slots=20
  )
  assert (np.asarray(filled).sum(1) == atoms).all()
  assert max(e.max() for e in errors(found, filled, true)) < 0.02
  assert np.asarray(rms).max() < 1e-2


def test_the_number_asked_for_whatever_the_field_holds():
  true = fields(np.random.default_rng(0), 3, 8)
  noise = 0.15 * np.random.default_rng(1).standard_normal((3, 16, 16, 16))
  found, filled, _ = counted_atoms.find_counted(
    occupancy(true) + noise.astype(np.float32),
    jnp.asarray([7, 8, 10]),
    separation(3),
    sigma=0.9,
    slots=20,
  )
  assert np.asarray(filled).sum(1).tolist() == [7, 8, 10]
  worst = [e.max() for e in errors(found, filled, true)]
  assert worst[1] < 0.4 and worst[2] < 0.4


def test_no_two_atoms_are_nearer_than_asked():
  # One broad maximum, of which pursuit would make several atoms.
  (one,) = fields(np.random.default_rng(5), 1, 1)
  blob = occupancy(one[None] + np.array([[[0.0] * 3], [[0.02, 0, 0]]]))
  field = 1.5 * blob.sum(0, keepdims=True)
  far, _, _ = counted_atoms.find_counted(
    field, jnp.asarray([3]), separation(1, 1.2), sigma=0.9, slots=20
  )
  near, _, _ = counted_atoms.find_counted(
    field, jnp.asarray([3]), separation(1), sigma=0.9, slots=20
  )
  assert shortest(far[0, :3]) > 1.19
  assert shortest(near[0, :3]) < 0.6


def shortest(fractional, side=6.0):
  steps = np.asarray(fractional)[:, None] - np.asarray(fractional)[None]
  steps -= np.rint(steps)
  distances = side * np.linalg.norm(steps, axis=-1)
  return distances[~np.eye(len(distances), dtype=bool)].min()


def test_atoms_are_counted_by_the_sum():
  true = fields(np.random.default_rng(2), 2, 11)
  estimate = known_composition.count_atoms(np.array(occupancy(true)), 0.9)
  np.testing.assert_allclose(estimate, 11, atol=0.05)


def network_outputs(numbers, fractional, noise, rng):
  """What a decoder says of atoms, codes being off by noise."""
  codes = elements.element_codes()[numbers]
  grid = np.zeros((1, 16, 16, 16, 12), np.float32)
  for position, code in zip(fractional, codes, strict=True):
    voxel = tuple(np.rint(position * 16).astype(int) % 16)
    grid[(0, *voxel)] = code + noise * rng.standard_normal(12)
  return {
    'occupancy': occupancy(fractional[None]),
    'codes': jnp.asarray(grid),
    'lattice': jnp.asarray([[1.5, 1.6, 1.7, 0.0, 0.1, 0.0]]),
  }


def test_species_are_assigned_together():
  rng = np.random.default_rng(3)
  numbers = np.array([3, 3, 27, 27, 8, 8, 8, 8])
  (fractional,) = fields(rng, 1, 8)
  outputs = network_outputs(numbers, fractional, 1.5, rng)
  (alone,) = CELL.crystals(outputs)
  wanted = composition.contents('LiCoO2', num_atoms=8)
  (found,) = known_composition.crystals(CELL, outputs, [wanted])
  assert sorted(alone.numbers) != sorted(numbers)
  assert sorted(found.numbers) == sorted(numbers)
  # A ratio: the field says how many formula units there are.
  wanted = composition.contents('LiCoO2')
  (found,) = known_composition.crystals(CELL, outputs, [wanted])
  assert sorted(found.numbers) == sorted(numbers)
  (found,) = known_composition.crystals(CELL, outputs, [Contents(None, 7)])
  assert len(found.numbers) == 7


def test_atoms_are_as_far_from_each_other_as_in_known_crystals():
  # Sodium and chlorine 1.4 Å from each other, in a cell with room for 2.3 Å.
  fractional = np.array([[0.2, 0.2, 0.2], [0.4, 0.4, 0.4]], np.float32)
  rng = np.random.default_rng(6)
  outputs = network_outputs(np.array([11, 17]), fractional, 0.0, rng)
  outputs['lattice'] = jnp.asarray([[*np.log([4.0, 4.0, 4.0]), 0, 0, 0]])
  wanted = composition.contents('NaCl', num_atoms=2)
  (found,) = known_composition.crystals(CELL, outputs, [wanted])
  shortest = pair_statistics.shipped().shortest[11, 17]
  nearest = pair_statistics.shortest_distances(found)[11, 17]
  assert 0.9 * shortest < nearest < shortest


def test_a_cell_without_room_grows():
  rng = np.random.default_rng(7)
  outputs = network_outputs(np.array([11]), np.full((1, 3), 0.5), 0.0, rng)
  outputs['lattice'] = jnp.asarray([[*np.log([1.4, 1.5, 1.6]), 0, 0, 0]])
  wanted = composition.contents('Na', num_atoms=1)
  (found,) = known_composition.crystals(CELL, outputs, [wanted])
  lengths = np.linalg.norm(found.cell, axis=1)
  shortest = pair_statistics.shipped().shortest[11, 11]
  assert lengths.min() == pytest.approx(0.65 * shortest, abs=1e-3)
  np.testing.assert_allclose(lengths / lengths[0], [1, 15 / 14, 16 / 14], 1e-4)


def test_impossible_requests_are_errors():
  rng = np.random.default_rng(4)
  (fractional,) = fields(rng, 1, 4)
  outputs = network_outputs(np.array([3, 27, 8, 8]), fractional, 0.0, rng)
  many = composition.contents('LiCoO2', num_atoms=24)
  assert '24 atoms' in known_composition.crystals(CELL, outputs, [many])[0]
  outputs['occupancy'] = outputs['occupancy'] * jnp.nan
  wanted = composition.contents('LiCoO2')
  found = known_composition.crystals(CELL, outputs, [wanted])
  assert 'not finite' in found[0]
