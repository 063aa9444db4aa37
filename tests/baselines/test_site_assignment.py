"""Assignment of atoms to Wyckoff positions."""

import itertools

import numpy as np
import pytest

from crystal_jax.baselines import wyckoff
from crystal_jax.baselines.site_assignment import assign_sites, can_hold


@pytest.mark.parametrize(
  ('number', 'counts', 'expected'),
  [
    # 225 has points for 1, 1, 2 and 6 atoms; its next position holds 6.
    (225, {11: 1, 17: 1}, True),
    (225, {11: 1, 17: 1, 8: 1}, False),
    (225, {11: 2, 17: 2}, True),
    (225, {11: 3, 17: 1}, True),
    (225, {11: 4, 17: 1}, False),
    # P-1 has eight points, and a general position for two atoms.
    (2, {z: 1 for z in range(1, 9)}, True),
    (2, {z: 1 for z in range(1, 10)}, False),
    (2, {1: 31, 2: 30}, True),
    (1, {1: 5, 2: 3}, True),
  ],
)
def test_a_point_holds_one_orbit(number, counts, expected):
  positions = wyckoff.wyckoff_positions(number)
  assert can_hold(counts, positions) == expected
  for seed in range(20):
    generator = np.random.default_rng(seed)
    assigned = assign_sites(generator, counts, positions)
    assert (assigned is not None) == expected
    if assigned is None:
      continue
    for number_, count in counts.items():
      total = sum(p.multiplicity for z, p in assigned if z == number_)
      assert total == count
    points = [p for _, p in assigned if p.degrees_of_freedom == 0]
    for one, other in itertools.combinations(points, 2):
      assert one is not other


def test_all_possible_positions_are_sampled():
  positions = wyckoff.wyckoff_positions(2)
  generator = np.random.default_rng(0)
  used = {
    id(position)
    for _ in range(200)
    for _, position in assign_sites(generator, {1: 3}, positions)
  }
  assert len(used) == 9
