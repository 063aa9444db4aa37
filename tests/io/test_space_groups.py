"""Space groups that a file states."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.io import (
  group_names,
  operations,
  space_group_tables,
  space_groups,
)
from crystal_jax.io.space_groups import SpaceGroupStatement
from tests.cifs import cif, save


@pytest.mark.parametrize(
  ('statement', 'numbers'),
  [
    (SpaceGroupStatement(names=('F 4/m -3 2/m',)), {225}),
    (SpaceGroupStatement(names=('P 63/m 2/m 2/c',)), {194}),
    (SpaceGroupStatement(names=('F m -3 m',)), {225}),
    (SpaceGroupStatement(names=('no name', 'P 21/c')), {14}),
    (SpaceGroupStatement(names=('no name',), hall='-F 4 2 3'), {225}),
    (SpaceGroupStatement(number='62', names=('no name',)), {62}),
    (SpaceGroupStatement(number='1', names=('F m -3 m',)), {1, 225}),
    (SpaceGroupStatement(schoenflies='D4h^14'), {136}),
    (SpaceGroupStatement(names=('no name',)), set()),
    (SpaceGroupStatement(names=('P 3 2', 'P -3 m')), set()),
    (SpaceGroupStatement(number='many'), set()),
  ],
)
def test_the_stated_numbers(statement, numbers):
  assert space_groups.stated_numbers(statement) == numbers


@pytest.mark.parametrize('name', ['F d -3 m:2', 'P 1 21/c 1', 'R -3 c:H'])
def test_number_and_name_of_operations(name):
  group = space_group_tables.operations_of(name)
  assert group_names.hermann_mauguin(group) == name
  numbers = space_groups.stated_numbers(SpaceGroupStatement(names=(name,)))
  assert {group_names.space_group_number(group)} == numbers


def test_the_number_of_a_setting_of_its_own():
  group = operations.parse_group(('x,y,z', '-x,y+1/2,-z+1/2'))
  assert group_names.space_group_number(group) == 4


def test_the_conventional_setting_comes_first():
  """Both origins of 227 fit a cube; unique axis b is the convention of 14."""
  cube = 5.4 * np.eye(3)
  statement = SpaceGroupStatement(names=('F d -3 m',))
  assert len(space_groups.matching_settings(statement, cube)) == 2
  orthogonal = np.diag([5.0, 6.0, 7.0])
  statement = SpaceGroupStatement(number='14')
  (group,) = space_groups.matching_settings(statement, orthogonal)
  assert group_names.hermann_mauguin(group) == 'P 1 21/c 1'


def test_a_full_name_is_compared_with_the_listed_operations(tmp_path):
  """Both ways of writing a name refuse a cell that lists x,y,z alone."""
  for name in "name_H-M_alt 'F m -3 m'", "name_H-M_full 'F 4/m -3 2/m'":
    symmetry = (
      f'_space_group_{name}\nloop_\n_space_group_symop_operation_xyz\nx,y,z'
    )
    text = cif(
      'Na Na1 0 0 0 1\nCl Cl1 0.5 0.5 0.4 1', (5.6,) * 3 + (90,) * 3, symmetry
    )
    with pytest.raises(ValueError, match='space group 225, which the file'):
      cj.read(save(tmp_path, text))
