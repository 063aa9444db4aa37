"""What composition=, num_atoms= and formula_units= come to."""

import pytest

from crystal_jax.structure import composition


@pytest.mark.parametrize(
  'given',
  [
    'LiCoO2',
    'Li2Co2O4',
    'CoLiO2',
    {'Li': 1, 'Co': 1, 'O': 2},
    {3: 2, 27: 2, 8: 4},
  ],
)
def test_a_composition_is_a_ratio(given):
  assert composition.reduced(given) == ((3, 1), (8, 2), (27, 1))


def test_parentheses():
  unit = composition.reduced('Ca(OH)2')
  assert dict(unit) == {20: 1, 8: 2, 1: 2}
  assert composition.formula(unit) == 'CaH2O2'


def test_deuterium_counts_as_hydrogen():
  assert composition.reduced('HDO') == ((1, 2), (8, 1))


def test_units():
  assert composition.contents('LiCoO2').units is None
  assert composition.contents('LiCoO2', num_atoms=8).units == 2
  assert composition.contents('LiCoO2', formula_units=3).units == 3
  assert composition.contents(num_atoms=7) == composition.Contents(None, 7)
  given = composition.contents('LiCoO2', num_atoms=8)
  assert given.counts == {3: 2, 8: 4, 27: 2}
  with pytest.raises(ValueError, match='do not fix'):
    _ = composition.contents('LiCoO2').counts
  found = given.numbers(2)
  assert sorted(found) == [3, 3, 8, 8, 8, 8, 27, 27]


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('LiCoO2', 6), 'not a multiple of the 4 atoms'),
    (('LiCoO2', 8, 1), 'contradicts'),
    ((None, None, 2), 'needs a composition'),
    (('LiCoO2', 0), 'at least 1'),
    (('LiCoX2',), 'LiCoX2'),
    (('Li0.5CoO2',), 'whole numbers'),
    (('',), 'no atoms'),
    (({'Li': 1.5},), 'whole numbers'),
    (('Am2O3',), 'up to Pu'),
  ],
)
def test_mistakes_are_named(arguments, message):
  with pytest.raises(ValueError, match=message):
    composition.contents(*arguments)


def test_one_for_each_latent():
  found = composition.contents_of(['NaCl', 'MgO'], [4, 2], 2)
  assert [each.units for each in found] == [2, 1]
  assert composition.contents_of(None, None, 2) is None
  with pytest.raises(ValueError, match='1 of composition= for 2'):
    composition.contents_of(['NaCl'], None, 2)
