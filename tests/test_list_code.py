"""The list code is a code: its probabilities add up to at most one."""

import itertools

import numpy as np
import pytest

from benchmarks import (
  list_code,
  list_lattices,
  list_models,
  list_positions,
  list_species,
)
from crystal_jax.representation import frame
from tests import crystals


def framed(crystal):
  return frame.standard_frame(
    crystal.numbers,
    crystal.positions @ np.linalg.inv(crystal.cell),
    crystal.cell,
  )


@pytest.fixture(scope='module')
def train():
  return [framed(make()) for make in crystals.ALL]


def test_shares_add_up_to_one():
  frequencies = list_models.Frequencies()
  for symbol in (0, 0, 3):
    frequencies.add(symbol, ['all', 'some'])
  for contexts in (['all'], ['all', 'some'], ['all', 'other'], []):
    shares = frequencies.shares(5, contexts)
    assert shares.sum() == pytest.approx(1)
    separate = [frequencies.share(s, 5, contexts) for s in range(5)]
    np.testing.assert_allclose(shares, separate)
  # (2 + 2 · (2 + 2/5) / 5) / 5, by hand.
  assert frequencies.share(0, 5, ['all', 'some']) == pytest.approx(0.592)
  assert frequencies.share(1, 5, []) == 0.2


def test_frequent_symbols_weigh_more():
  mixture = list_models.Mixture(2)
  np.testing.assert_allclose(mixture.weights('seen'), 0.5)
  for _ in range(20):
    mixture.refit([('seen', np.array([0.9, 0.1]))] * 50)
  first, second = mixture.weights('seen')
  assert first > 0.95 and first + second == pytest.approx(1)
  np.testing.assert_allclose(mixture.weights('unseen'), 0.5)


def test_all_positions_add_up_to_one(train):
  """Two atoms on two steps an axis: 8 positions, 36 unordered pairs."""
  positions = list_positions.Positions(train, 1.5, len(train))
  numbers, steps = np.array([8, 1, 1]), np.array([2, 2, 2])
  all_shifts = list(itertools.product((0.0, 0.5), repeat=3))
  costs = [
    positions.cost(numbers, np.array([[0, 0, 0], a, b]), steps)
    for a, b in itertools.combinations_with_replacement(all_shifts, 2)
  ]
  assert np.exp(-np.array(costs)).sum() == pytest.approx(1)


def test_the_order_of_atoms_costs_nothing(train):
  positions = list_positions.Positions(train, 0.5, len(train))
  numbers, fractional, cell = framed(crystals.silicate())
  steps = list_positions.axis_steps(cell, 0.5)
  order = np.random.default_rng(0).permutation(len(numbers))
  first = positions.cost(numbers, fractional, steps)
  assert positions.cost(numbers[order], fractional[order], steps) == first


def test_all_species_add_up_to_one(train):
  species = list_species.Species(train)
  pairs = itertools.combinations_with_replacement(range(1, 95), 2)
  costs = [species.cost(np.array(pair))[1] for pair in pairs]
  # Two atoms have one or two elements; more elements keep a share even so.
  total = np.exp(-np.array(costs)).sum()
  assert 0.2 < total <= 1 + 1e-9


def test_volumes_are_learnt():
  true = np.random.default_rng(0).uniform(8, 40, 95)
  rng = np.random.default_rng(1)
  train = []
  for _ in range(500):
    numbers = rng.integers(1, 6, 4)
    edge = true[numbers].sum() ** (1 / 3)
    train.append((numbers, np.zeros((4, 3)), edge * np.eye(3)))
  volumes = list_species.Species(train).volumes
  np.testing.assert_allclose(volumes[1:6], true[1:6], rtol=0.01)


def test_a_rounded_lattice_is_near(train):
  lattices = list_lattices.Lattices(train, 0.01, np.full(95, 15.0))
  for numbers, _, cell in train:
    rounded = lattices.cell(lattices.bins(cell))
    lengths, expected = (np.linalg.norm(c, axis=1) for c in (rounded, cell))
    np.testing.assert_allclose(lengths, expected, rtol=0.016)
    assert 0 < lattices.cost(lattices.bins(cell), numbers) < 60


def test_steps_give_the_target_error():
  rng = np.random.default_rng(0)
  batch = [
    (np.ones(8, int), rng.random((8, 3)), np.diag(rng.uniform(4, 9, 3)))
    for _ in range(200)
  ]
  spacing = list_code.find_spacing(batch, 0.05)
  errors = []
  for _, fractional, cell in batch:
    steps = list_positions.axis_steps(cell, spacing)
    assert (np.diag(cell) / steps <= spacing).all()
    error = (fractional - np.rint(fractional * steps) / steps) @ cell
    error -= error.mean(axis=0)
    size = (np.linalg.det(cell) / 8) ** (1 / 3)
    errors.append(np.sqrt(np.square(error).sum(-1).mean()) / size)
  assert np.mean(errors) == pytest.approx(0.05, rel=0.1)
