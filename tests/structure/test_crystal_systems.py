"""Crystal systems of the International Tables."""

import pytest

from crystal_jax.structure.crystal_systems import (
  CRYSTAL_SYSTEMS,
  crystal_system,
  crystal_system_index,
)


def test_systems_of_space_groups():
  known = {
    1: 'triclinic', 2: 'triclinic', 3: 'monoclinic', 15: 'monoclinic',
    16: 'orthorhombic', 62: 'orthorhombic', 74: 'orthorhombic',
    75: 'tetragonal', 142: 'tetragonal', 143: 'trigonal', 167: 'trigonal',
    168: 'hexagonal', 194: 'hexagonal', 195: 'cubic', 230: 'cubic',
  }  # fmt: skip
  assert {number: crystal_system(number) for number in known} == known
  for number in 0, 231:
    with pytest.raises(ValueError, match=f'space_group={number}'):
      crystal_system(number)


def test_index_and_name_agree():
  for index, name in enumerate(CRYSTAL_SYSTEMS):
    assert crystal_system_index(name) == index
  with pytest.raises(ValueError, match="'round' to be one of triclinic"):
    crystal_system_index('round')
