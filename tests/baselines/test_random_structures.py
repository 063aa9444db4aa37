"""Random structures: sites of space groups, symmetry, distances, volumes."""

import numpy as np
import pytest

from crystal_jax.baselines import random_structures as random_lib
from crystal_jax.baselines import sites
from crystal_jax.baselines.random_structures import RandomConfig
from crystal_jax.generation import checks
from crystal_jax.structure import pair_statistics
from crystal_jax.structure.composition import contents

STATISTICS = pair_statistics.shipped()
# Multiplicities in the primitive cell, and points among the sites, by the
# International Tables.
WYCKOFF = {
  1: ({1}, 0),
  2: ({1, 2}, 8),
  14: ({2, 4}, 4),
  62: ({4, 8}, 2),
  166: ({1, 2, 3, 6, 12}, 4),
  194: ({2, 4, 6, 12, 24}, 5),
  225: ({1, 2, 6, 8, 12, 24, 48}, 4),
  227: ({2, 4, 8, 12, 24, 48}, 4),
}


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


@pytest.mark.parametrize('number', WYCKOFF)
def test_sites_are_wyckoff_positions(number):
  multiplicities, points = WYCKOFF[number]
  found = sites.sites(number)
  assert set(found) == multiplicities
  all_sites = [site for group in found.values() for site in group]
  assert sum(site.dimensions == 0 for site in all_sites) == points


@pytest.mark.parametrize('number', [14, 88, 167, 227])
def test_images_of_a_site_are_as_many_as_it_says(number):
  group, generator = sites.operations(number), np.random.default_rng(0)
  for multiplicity, found in sites.sites(number).items():
    for site in found[:5]:
      point = site.point(generator)
      images = sites.orbit(point, group)
      assert len(images) == multiplicity
      again = sites.orbit(images[-1], group)
      steps = images[:, None] - again[None]
      near = np.abs(steps - np.rint(steps)).max(-1) < 1e-6
      assert near.any(0).all() and near.any(1).all()


@pytest.mark.parametrize('number', [2, 14, 62, 136, 160, 194, 205])
def test_the_space_group_is_that_asked_for(number):
  crystal = draw('TiO2', 12, space_group=number)
  assert len(crystal.numbers) == 12
  found, _ = checks.space_group(crystal, 1e-3)
  assert found >= number  # Special positions may have more symmetry.
  order = len(sites.operations(number).rotations)
  assert len(sites.operations(found).rotations) >= order


def test_atoms_and_distances_are_kept():
  for seed in range(5):
    crystal = draw('LiCoO2', 8, seed)
    np.testing.assert_array_equal(
      np.sort(crystal.numbers), np.sort(numbers_of('LiCoO2', 8))
    )
    limits = RandomConfig.closeness * STATISTICS.typical
    distances = pair_statistics.shortest_distances(crystal)
    for pair, distance in distances.items():
      assert distance >= limits[pair] - 1e-6
    volume = abs(np.linalg.det(crystal.cell))
    expected = STATISTICS.volume(crystal.numbers)
    assert 0.5 < volume / expected < 2


def test_a_density_is_kept():
  atoms = draw('NaCl', 8, density=2.0).to_ase()
  density = 1.66053907 * atoms.get_masses().sum() / atoms.get_volume()
  assert density == pytest.approx(2.0, rel=1e-4)


def test_a_structure_depends_on_seed_and_index_only():
  wanted = [numbers_of('MgO', 4)] * 3
  first = random_lib.random_structures(wanted, STATISTICS)
  second = random_lib.random_structures(wanted[:2], STATISTICS)
  for one, other in zip(first, second, strict=False):
    np.testing.assert_array_equal(one.positions, other.positions)
  assert not np.allclose(first[0].cell, first[1].cell)


def test_what_cannot_be_is_said():
  assert 'no sites of space group 230 hold Na4Cl4' in draw(
    'NaCl', 8, space_group=230
  )
  reason = draw('NaCl', 8, density=20.0, attempts=5)
  assert 'no place for all atoms of Na4Cl4 in 5 cells' in reason
  assert 'smaller closeness or density' in reason
  for options in (
    {'space_group': 231}, {'density': -1.0}, {'attempts': 0},
    {'density': 1.0, 'volume_per_atom': 10.0},
  ):  # fmt: skip
    with pytest.raises(ValueError):
      RandomConfig(**options)
