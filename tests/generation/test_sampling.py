"""Draws: what is asked, what is refused, and what does not depend on what."""

import pytest

from crystal_jax.generation import checks
from crystal_jax.structure.composition import unit_of
from tests import codecs, crystals
from tests.generation import priors


@pytest.fixture(scope='module')
def codec():
  """An untrained codec with an untrained prior."""
  made = codecs.untrained(elements=['Li', 'Co', 'O', 'Na', 'Cl'])
  prior = priors.untrained(made.size, made.describe()['fingerprint'])
  made._prior = prior
  return made


@pytest.fixture(autouse=True)
def any_distance(monkeypatch):
  """What an untrained decoder places anywhere counts as valid."""
  monkeypatch.setattr(checks, 'why_invalid', lambda crystal: None)
  monkeypatch.setattr(
    'crystal_jax.structure.validation.check_decoded', lambda crystal: crystal
  )


def units(found):
  return [unit_of(c.numbers) for c in found if c is not None]


def test_a_composition_is_met(codec):
  found = codec.sample(3, composition='LiCoO2', num_atoms=8)
  assert len(found) == 3 and units(found)
  assert set(units(found)) == {((3, 1), (8, 2), (27, 1))}
  assert {len(c.numbers) for c in found if c is not None} == {8}


def test_elements_are_met(codec):
  found = codec.sample(4, elements={'Li', 'O'})
  assert {tuple(z for z, _ in u) for u in units(found)} == {(3, 8)}
  found = codec.sample(4, exclude_elements={'Li', 'Co', 'O'})
  assert set().union(*({z for z, _ in u} for u in units(found))) <= {11, 17}


def test_only_elements_that_the_codec_knows(codec):
  allowed = {3, 27, 8, 11, 17}
  for unit in units(codec.sample(6)):
    assert {z for z, _ in unit} <= allowed


@pytest.mark.parametrize(
  ('asked', 'message'),
  [
    ({'composition': 'LiCoO2', 'num_atoms': 6}, 'not a multiple'),
    ({'composition': 'LiCoO2', 'num_atoms': 24}, '24 atoms.*more than the 20'),
    ({'composition': 'FeO'}, 'Fe was never seen'),
    ({'composition': 'LiCoO2', 'exclude_elements': {'Li'}}, 'Li is asked for'),
    ({'composition': 'LiCoO2', 'elements': {'Li', 'O'}}, 'give one of the two'),
    ({'elements': {'Li', 'Co', 'O'}, 'num_atoms': 2}, 'cannot be of 3'),
    ({'elements': 'LiO'}, 'as a set'),
    ({'elements': set()}, 'at least one'),
    ({'space_group': 231}, '1 to 230'),
    ({'space_group': 225, 'crystal_system': 'hexagonal'}, 'is cubic'),
    ({'crystal_system': 'round'}, 'one of triclinic'),
    ({'properties': {'colour': 1.0}}, 'it knows: energy'),
    ({'properties': {'energy': float('nan')}}, 'not finite'),
    ({'guidance': -1}, '0 or more'),
  ],
)
def test_what_is_at_odds_is_refused(codec, asked, message):
  with pytest.raises(ValueError, match=message):
    codec.sample(2, **asked)


def test_numbers_of_draws_and_strengths(codec):
  with pytest.raises(ValueError, match='n=0'):
    codec.sample(0)
  for strength in (0, 1.5):
    with pytest.raises(ValueError, match='strength'):
      codec.alter(crystals.bcc(), 2, strength=strength)


def test_what_is_not_valid_is_none_and_said(codec, monkeypatch):
  monkeypatch.setattr(checks, 'why_invalid', lambda crystal: 'too near')
  found = codec.sample(3)
  assert found == [None] * 3
  assert set(codec.failures) == {0, 1, 2}
  assert 'too near' in codec.failures.values()
