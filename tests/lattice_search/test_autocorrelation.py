"""Autocorrelation of a field in a box, and the lattice of its maxima."""

import numpy as np
import pytest

from crystal_jax.lattice_search import autocorrelation

SPACING = 1 / 3
CELL = np.array([[4.1, 0.0, 0.0], [0.9, 3.6, 0.0], [-0.7, 0.8, 4.4]])
# Two species nearly half a vector apart: equal in positions alone.
SITES = np.array([[0.3, 0.2, -0.4], [0.35, 0.25, 1.85], [2.4, 0.1, 3.0]])
CODES = np.array([[1.0, 0.9], [1.0, -0.9], [1.0, 0.2]])


def field(cell=CELL, size=26, missing=0.0, seed=0):
  """Atoms with codes, some of them missing."""
  rng = np.random.default_rng(seed)
  axis = (np.arange(size) - (size - 1) / 2) * SPACING
  steps = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3)
  total = np.zeros((size,) * 3 + (2,))
  for site, code in zip(SITES, CODES, strict=True):
    images = site + steps @ cell
    images = images[rng.random(len(images)) >= missing]
    offset = axis[:, None] - images.T[:, None]
    lone = np.einsum('xm,ym,zm->xyz', *np.exp(-0.5 * (offset / 0.5) ** 2))
    total += lone[..., None] * code
  return total


@pytest.fixture(scope='module')
def correlation():
  return autocorrelation.autocorrelation(field())


def at(correlation, move):
  index = np.rint(np.asarray(move) / SPACING).astype(int) % len(correlation)
  return correlation[tuple(index)]


def test_it_is_one_at_zero_and_even(correlation):
  assert correlation.shape == (52,) * 3
  assert correlation[0, 0, 0] == pytest.approx(1)
  assert np.abs(correlation).max() <= 1 + 1e-9
  back = np.roll(correlation[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
  np.testing.assert_allclose(back, correlation, atol=1e-9)


def test_values_equal_the_definition(correlation):
  whole, move = field(), (3, -5, 2)
  first = whole[:-3, 5:, :-2]
  second = whole[3:, :-5, 2:]
  size = np.sqrt((first**2).sum() * (second**2).sum())
  expected = (first * second).sum() / size
  assert correlation[move] == pytest.approx(expected, abs=1e-9)


def test_it_is_high_at_lattice_vectors_but_not_at_half_of_one(correlation):
  vectors = [*CELL, CELL[0] + CELL[2], CELL[1] - CELL[0]]
  assert min(at(correlation, v) for v in vectors) > 0.75
  assert at(correlation, CELL[2] / 2) < 0.5
  half = CELL * np.array([[1], [1], [0.5]])
  whole, wrong = autocorrelation.score(
    correlation, SPACING, np.array([CELL, half])
  )
  assert whole > 0.8 > 0.7 > wrong


@pytest.mark.parametrize('seed', range(3))
def test_a_far_prior_snaps_to_the_lattice_though_atoms_are_missing(seed):
  rng = np.random.default_rng(seed)
  holed = autocorrelation.autocorrelation(field(missing=0.15, seed=seed))
  prior = CELL + rng.uniform(-0.7, 0.7, (3, 3))
  found, score = autocorrelation.snap(holed, SPACING, prior)
  np.testing.assert_allclose(found, CELL, atol=0.1)
  assert score > 0.5


def test_the_prior_stays_where_nothing_repeats():
  found, score = autocorrelation.snap(
    autocorrelation.autocorrelation(np.zeros((12,) * 3 + (2,))), 0.5, CELL
  )
  assert score == pytest.approx(0)
  np.testing.assert_allclose(found, CELL)
