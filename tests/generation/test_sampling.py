"""Draws: what is asked, what is refused, and what does not depend on what."""

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.generation import checks, integration, samples
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.crystal import Crystal
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
    ({'composition': 'LiCoO2', 'exclude_elements': {'Li'}}, 'Li is both'),
    ({'composition': 'LiCoO2', 'elements': {'Li', 'O'}}, 'give one of the two'),
    ({'elements': {'Li', 'Co', 'O'}, 'num_atoms': 2}, 'cannot be of 3'),
    ({'elements': 'LiO'}, 'as a set'),
    ({'elements': set()}, 'at least one'),
    ({'space_group': 231}, '1 to 230'),
    ({'space_group': 225, 'crystal_system': 'hexagonal'}, 'is cubic'),
    ({'crystal_system': 'round'}, 'one of triclinic'),
    ({'properties': {'colour': 1.0}}, 'it knows: energy'),
    ({'properties': {'energy': float('nan')}}, 'not finite'),
    ({'guidance': -1}, 'guidance=-1.0 to be 0 or more'),
    ({'temperature': float('nan')}, 'temperature=nan to be 0 or more'),
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


def test_invalid_draws_are_none_with_a_reason(codec, monkeypatch):
  monkeypatch.setattr(checks, 'why_invalid', lambda crystal: 'too near')
  found = codec.sample(3)
  assert found == [None] * 3
  assert set(codec.failures) == {0, 1, 2}
  assert 'too near' in codec.failures.values()


def test_wishes_that_are_not_met_are_counted(codec):
  asked = {'composition': 'NaCl', 'num_atoms': 4}
  with pytest.warns(cj.UnmetWarning, match='space_group=225 was asked: 2 of 2'):
    found = codec.sample(2, space_group=225, **asked)
  assert codec.unmet == {0: ['space_group=225'], 1: ['space_group=225']}
  assert units(found) == [((11, 1), (17, 1))] * 2
  # A wish that says nothing wrong: P1 is what an untrained prior gives.
  codec.sample(2, space_group=1, **asked)
  assert codec.unmet == {}
  with pytest.warns(UserWarning, match='crystal_system=cubic'):
    codec.sample(1, crystal_system='cubic', **asked)


class Drawing:
  """A way to draw whose draws are valid, or as asked, by their index."""

  def __init__(self, valid, met):
    self.valid, self.met, self.asked = valid, met, []

  def __call__(self, index):
    self.asked += index.tolist()
    size = len(index)
    found = [crystals.bcc() if self.valid(i) else None for i in index]
    return samples.Draws(
      found,
      {n: 'too near' for n in range(size) if found[n] is None},
      {
        n: ['cubic']
        for n, i in enumerate(index)
        if found[n] is not None and not self.met(i)
      },
      np.repeat(index[:, None].astype(float), 2, axis=1),
      index.astype(float),
    )


def collected(valid, met, *, exact, n=4):
  drawing = Drawing(valid, met)
  return drawing, samples.collect(drawing, n, exact)


def test_one_draw_each_without_exact():
  drawing, found = collected(lambda i: i > 1, lambda i: i > 2, exact=False)
  assert drawing.asked == [0, 1, 2, 3]
  assert found.failures == {0: 'too near', 1: 'too near'}
  assert found.unmet == {2: ['cubic']}
  assert found.summary == 'cubic was asked: 1 of 2 crystals are not so'


def test_exact_draws_again_only_what_is_not_as_asked():
  drawing, found = collected(
    lambda i: i != 1, lambda i: i not in (2, 4, 5), exact=True
  )
  # 1 has no crystal, 2 is not as asked; 4 is better than none, 5 is no better
  # than 2; 6 and 7 are as asked.
  assert drawing.asked == list(range(8))
  assert not found.failures and not found.unmet and found.summary == ''
  np.testing.assert_array_equal(found.latents[:, 0], [0, 6, 7, 3])
  np.testing.assert_array_equal(found.residuals, [0, 6, 7, 3])


def test_exact_ends_with_its_budget():
  drawing, found = collected(lambda i: i == 0, lambda i: True, exact=True)
  budget = 4 * samples.BUDGET
  assert drawing.asked == list(range(budget))
  assert found.crystals[0] is not None and found.crystals[1:] == [None] * 3
  assert found.failures == dict.fromkeys([1, 2, 3], 'too near')


def test_the_first_draws_do_not_depend_on_n(codec):
  asked = {'composition': 'NaCl', 'num_atoms': 4}
  three, two = codec.sample(3, **asked), codec.sample(2, **asked)
  for one, other in zip(three, two, strict=False):
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-4)


def test_without_noise_all_draws_of_a_composition_are_one(codec):
  asked = {'composition': 'NaCl', 'num_atoms': 4}
  one, other = codec.sample(2, temperature=0.0, **asked)
  np.testing.assert_allclose(one.positions, other.positions, atol=1e-4)
  one, other = codec.sample(2, temperature=1.0, **asked)
  assert np.abs(one.positions - other.positions).max() > 1e-3


def test_neighbours_have_the_atoms_of_the_primitive_cell(codec):
  cubic = ase.build.bulk('NaCl', 'rocksalt', 5.6, cubic=True)
  found = codec.alter(iter([cubic]), 2)
  assert units(found) == [((11, 1), (17, 1))] * 2
  assert {len(c.numbers) for c in found} == {2}


def test_no_noise_of_neighbours_is_used_twice(codec, monkeypatch):
  arrays, noise = [], integration.noise
  monkeypatch.setattr(
    integration, 'noise', lambda *a, **k: arrays.append(noise(*a, **k))
    or arrays[-1],
  )  # fmt: skip
  salt = Crystal.from_ase(ase.build.bulk('NaCl', 'rocksalt', 5.6))
  for seed in 0, 1, 2:
    codec.alter(salt, 2, composition='NaCl', seed=seed)
  assert len(arrays) == 6
  rows = np.concatenate(arrays)
  assert len(np.unique(np.round(rows, 6), axis=0)) == len(rows)
