"""Wyckoff positions, by the International Tables."""

import numpy as np
import pytest

from crystal_jax.baselines import wyckoff

# Multiplicities in the primitive cell, and degrees of freedom, of all positions
# from a on.
TABLES = {
  1: ([1], [3]),
  2: ([1] * 8 + [2], [0] * 8 + [3]),
  14: ([2] * 4 + [4], [0] * 4 + [3]),
  62: ([4, 4, 4, 8], [0, 0, 2, 3]),
  166: (
    [1, 1, 2, 3, 3, 6, 6, 6, 12],
    [0, 0, 1, 0, 0, 1, 1, 2, 3],
  ),
  194: (
    [2, 2, 2, 2, 4, 4, 6, 6, 12, 12, 12, 24],
    [0, 0, 0, 0, 1, 1, 0, 1, 1, 2, 2, 3],
  ),
  225: (
    [1, 1, 2, 6, 6, 8, 12, 12, 12, 24, 24, 48],
    [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3],
  ),
  227: (
    [2, 2, 4, 4, 8, 12, 24, 24, 48],
    [0, 0, 0, 0, 1, 1, 2, 1, 3],
  ),
}


@pytest.mark.parametrize('number', TABLES)
def test_positions_of_known_groups(number):
  found = [
    (multiplicity, position.degrees_of_freedom)
    for multiplicity, group in wyckoff.wyckoff_positions(number).items()
    for position in group
  ]
  assert sorted(found) == sorted(zip(*TABLES[number], strict=True))


@pytest.mark.slow
def test_all_groups_have_the_positions_of_the_tables():
  total = 0
  for number in range(1, 231):
    positions = wyckoff.wyckoff_positions(number)
    order = len(wyckoff.operations(number).rotations)
    general = [p for p in positions[order] if p.degrees_of_freedom == 3]
    assert len(general) == 1, number
    assert max(positions) == order, number
    total += sum(map(len, positions.values()))
  assert total == 1731


@pytest.mark.parametrize('number', [14, 88, 167, 227])
def test_an_orbit_has_as_many_images_as_the_multiplicity(number):
  group, generator = wyckoff.operations(number), np.random.default_rng(0)
  for multiplicity, found in wyckoff.wyckoff_positions(number).items():
    for position in found:
      point = position.point(generator)
      images = wyckoff.orbit(point, group)
      assert len(images) == multiplicity
      again = wyckoff.orbit(images[-1], group)
      steps = images[:, None] - again[None]
      near = np.abs(steps - np.rint(steps)).max(-1) < 1e-6
      assert near.any(0).all() and near.any(1).all()
