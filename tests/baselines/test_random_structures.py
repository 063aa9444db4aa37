"""Random structures: sites of space groups, symmetry, distances, volumes."""

import numpy as np
import pytest
import spglib

from crystal_jax.baselines import random_structures as random_lib
from crystal_jax.baselines import wyckoff
from crystal_jax.baselines.random_structures import RandomConfig
from crystal_jax.structure import pair_statistics
from crystal_jax.structure.composition import contents

STATISTICS = pair_statistics.shipped()


def numbers_of(formula, num_atoms):
  wanted = contents(formula, num_atoms)
  return wanted.numbers(wanted.units)


def draw(formula, num_atoms, seed=0, **options):
  return random_lib.random_structure(
    np.random.default_rng(seed),
    numbers_of(formula, num_atoms),
    STATISTICS,
    RandomConfig(**options),
  )


GROUPS = [2, 14, 62, 136, 160, 194, 205]


@pytest.mark.parametrize('number', GROUPS)
def test_every_operation_maps_the_crystal_onto_itself(number):
  crystal = draw('TiO2', 12, space_group=number)
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  group = wyckoff.operations(number)
  metric = crystal.cell @ crystal.cell.T
  is_same = crystal.numbers[:, None] == crystal.numbers[None]
  for rotation, translation in zip(
    group.rotations, group.translations, strict=True
  ):
    np.testing.assert_allclose(
      rotation.T @ metric @ rotation, metric, atol=1e-6
    )
    images = fractional @ rotation.T + translation
    steps = images[:, None] - fractional[None]
    steps = (steps - np.rint(steps)) @ crystal.cell
    near = (np.linalg.norm(steps, axis=-1) < 1e-4) & is_same
    assert (near.sum(0) == 1).all() and (near.sum(1) == 1).all()


@pytest.mark.parametrize('number', GROUPS)
def test_the_space_group_is_that_asked_for(number):
  crystal = draw('TiO2', 12, space_group=number)
  assert len(crystal.numbers) == 12
  # Special positions may have more symmetry, or a smaller primitive cell.
  order = len(wyckoff.operations(number).rotations)
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  cell = crystal.cell, fractional, crystal.numbers
  assert len(spglib.get_symmetry(cell, 1e-3)['rotations']) >= order


def test_atoms_and_distances_are_kept():
  for seed in range(5):
    crystal = draw('LiCoO2', 8, seed)
    np.testing.assert_array_equal(
      np.sort(crystal.numbers), np.sort(numbers_of('LiCoO2', 8))
    )
    limits = RandomConfig.min_distance_scale * STATISTICS.typical
    distances = pair_statistics.shortest_distances(crystal)
    for pair, distance in distances.items():
      assert distance >= limits[pair] - 1e-6
    volume = abs(np.linalg.det(crystal.cell))
    expected = STATISTICS.volume(crystal.numbers)
    assert 0.5 < volume / expected < 2


def test_a_density_is_kept():
  atoms = draw('NaCl', 8, density=2.0).to_ase()
  grams = atoms.get_masses().sum() * 1.66053907e-24
  density = grams / (atoms.get_volume() * 1e-24)
  assert density == pytest.approx(2.0, rel=1e-4)


def test_a_structure_depends_on_seed_and_index_only():
  wanted = [numbers_of('MgO', 4)] * 3
  first = random_lib.random_structures(wanted, STATISTICS)
  second = random_lib.random_structures(wanted[:2], STATISTICS)
  for one, other in zip(first, second, strict=False):
    np.testing.assert_array_equal(one.positions, other.positions)
  assert not np.allclose(first[0].cell, first[1].cell)


def test_impossible_structures_have_a_reason():
  assert 'no Wyckoff positions of space group 230 hold Na4Cl4' in draw(
    'NaCl', 8, space_group=230
  )
  reason = draw('NaCl', 8, density=20.0, attempts=5)
  assert 'no room for all atoms of Na4Cl4 in 5 cells' in reason
  assert 'smaller min_distance_scale or density' in reason
  for options in (
    {'space_group': 231}, {'density': -1.0}, {'attempts': 0},
    {'density': 1.0, 'volume_per_atom': 10.0},
  ):  # fmt: skip
    with pytest.raises(ValueError):
      RandomConfig(**options)
