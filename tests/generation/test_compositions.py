"""Compositions under constraints, and their probabilities."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.generation import compositions, request
from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation.composition_model import CompositionModel
from crystal_jax.generation.compositions import Choice
from crystal_jax.generation.loss import composition_nats
from crystal_jax.generation.networks import element_order
from crystal_jax.structure.composition import contents
from tests.generation import priors

ALL_NUMBERS = request.known_numbers(None)


@pytest.fixture(scope='module')
def model():
  prior = priors.untrained(max_atoms=6)
  return CompositionModel(prior.networks, prior.params)


def given():
  return jax.tree.map(np.asarray, conditions_lib.unconditional(1, 1))


def generators(number):
  return [np.random.default_rng([0, i]) for i in range(number)]


def draw(model, number=40, required=None, allowed=ALL_NUMBERS, **options):
  required = required and frozenset(required)
  choice = Choice(contents(**options), frozenset(allowed), required)
  return compositions.draw(model, generators(number), given(), choice)


def test_every_element_once_in_the_order():
  assert sorted(element_order()) == list(range(1, 95))
  order_index = {z: i for i, z in enumerate(element_order().tolist())}
  assert (
    order_index[3]
    < order_index[26]
    < order_index[15]
    < order_index[8]
    < order_index[9]
  )


def test_a_number_of_atoms_is_kept(model):
  assert (draw(model, num_atoms=5).sum(1) == 5).all()
  assert draw(model).sum(1).min() >= 1 and draw(model).sum(1).max() <= 6


def test_required_elements_are_all_there_and_no_others(model):
  found = draw(model, required={3, 27, 8})
  assert (found[:, [2, 26, 7]] > 0).all()
  assert (found > 0).sum() == 3 * len(found)
  tight = draw(model, required={3, 27, 8}, num_atoms=3)
  assert (tight[:, [2, 26, 7]] == 1).all()


def test_required_elements_come_as_the_prior_has_them(model):
  """As often as their compositions are probable among those of the elements."""
  pairs = [(a, b) for a in range(1, 6) for b in range(1, 7 - a)]
  counts = np.zeros((len(pairs), 94), int)
  counts[:, [10, 16]] = pairs
  shares = np.exp(model.log_shares(counts, given()))
  shares /= shares.sum()
  found = draw(model, 400, required={11, 17})[:, [10, 16]].tolist()
  seen = np.array([found.count(list(pair)) for pair in pairs]) / 400
  assert seen.sum() == pytest.approx(1)
  np.testing.assert_allclose(seen, shares, atol=0.1)


def test_excluded_elements_are_not_there(model):
  few = {1, 2, 3}
  assert not draw(model, allowed=ALL_NUMBERS - few)[:, :3].any()
  found = draw(model, allowed=few, num_atoms=4)
  assert (found[:, :3].sum(1) == 4).all()


def test_impossible_requests_are_errors(model):
  with pytest.raises(ValueError, match='2 atoms cannot be of 3'):
    draw(model, required={3, 27, 8}, num_atoms=2)
  with pytest.raises(ValueError, match='No element is left'):
    draw(model, allowed=set())


def test_a_formula_keeps_its_ratio(model):
  found = draw(model, composition='LiO2')
  assert (found[:, 7] == 2 * found[:, 2]).all()
  assert set(found.sum(1)) <= {3, 6}
  assert (draw(model, composition='LiO2', num_atoms=6).sum(1) == 6).all()


def test_no_draw_depends_on_the_others(model):
  np.testing.assert_array_equal(draw(model, 70)[:5], draw(model, 5))


@pytest.mark.slow
def test_probabilities_sum_to_one():
  """All formulas of one or two atoms."""
  prior = priors.untrained(max_atoms=2)
  model = CompositionModel(prior.networks, prior.params)
  rows = []
  for a, b in itertools.combinations_with_replacement(range(94), 2):
    row = np.zeros(94, int)
    row[a] += 1
    row[b] += 1
    rows.append(row)
  rows += list(np.eye(94, dtype=int))
  shares = np.exp(model.log_shares(np.array(rows), given()))
  # What is missing: one atom of the last element and another one to follow.
  assert 1 - 1e-3 < shares.sum() < 1 + 1e-5
  # One random step counts for all: right in the mean.
  chosen = np.array(rows)[[5, 700, 3000, -1]]
  batch = conditions_lib.unconditional(4, 1)._replace(
    counts=chosen.astype(np.float32)
  )
  unknown = conditions_lib.unconditional(4, 1)
  batch, unknown = jax.tree.map(jnp.asarray, (batch, unknown))
  estimate = jax.jit(
    jax.vmap(
      lambda keys: composition_nats(
        prior.networks, prior.params, keys, batch, unknown
      )
    )
  )
  nats = np.mean(estimate(jax.random.split(jax.random.key(0), (4000, 4))), 0)
  expected = -model.log_shares(chosen, given())
  np.testing.assert_allclose(nats, expected, rtol=0.05)
