"""How alike a field in a box is to itself, and the lattice that says."""

import numpy as np
import pytest

from crystal_jax.lattice_search import autocorrelation

SPACING = 1 / 3
CELL = np.array([[4.1, 0.0, 0.0], [0.9, 3.6, 0.0], [-0.7, 0.8, 4.4]])
# Two species apart by half a vector, nearly: alike in places alone.
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
    apart = axis[:, None] - images.T[:, None]
    lone = np.einsum('xm,ym,zm->xyz', *np.exp(-0.5 * (apart / 0.5) ** 2))
    total += lone[..., None] * code
  return total


@pytest.fixture(scope='module')
def likeness():
  return autocorrelation.alike(field())


def at(likeness, move):
  index = np.rint(np.asarray(move) / SPACING).astype(int) % len(likeness)
  return likeness[tuple(index)]


def test_a_field_is_itself_and_is_as_like_there_as_back(likeness):
  assert likeness.shape == (52,) * 3
  assert likeness[0, 0, 0] == pytest.approx(1)
  assert np.abs(likeness).max() <= 1 + 1e-9
  back = np.roll(likeness[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
  np.testing.assert_allclose(back, likeness, atol=1e-9)


def test_it_is_what_the_definition_says(likeness):
  whole, move = field(), (3, -5, 2)
  first = whole[:-3, 5:, :-2]
  second = whole[3:, :-5, 2:]
  size = np.sqrt((first**2).sum() * (second**2).sum())
  expected = (first * second).sum() / size
  assert likeness[move] == pytest.approx(expected, abs=1e-9)


def test_a_field_is_like_itself_by_its_lattice_but_not_by_half_of_it(likeness):
  vectors = [*CELL, CELL[0] + CELL[2], CELL[1] - CELL[0]]
  assert min(at(likeness, v) for v in vectors) > 0.75
  assert at(likeness, CELL[2] / 2) < 0.5
  half = CELL * np.array([[1], [1], [0.5]])
  whole, wrong = autocorrelation.score(
    likeness, SPACING, np.array([CELL, half])
  )
  assert whole > 0.8 > 0.7 > wrong


@pytest.mark.parametrize('seed', range(3))
def test_a_guess_that_is_far_off_finds_it_though_atoms_are_missing(seed):
  rng = np.random.default_rng(seed)
  holed = autocorrelation.alike(field(missing=0.15, seed=seed))
  guess = CELL + rng.uniform(-0.7, 0.7, (3, 3))
  found, score = autocorrelation.snap(holed, SPACING, guess)
  np.testing.assert_allclose(found, CELL, atol=0.1)
  assert score > 0.5


def test_where_nothing_repeats_the_guess_stays():
  found, score = autocorrelation.snap(
    autocorrelation.alike(np.zeros((12,) * 3 + (2,))), 0.5, CELL
  )
  assert score == -1 or score <= 0.3
  np.testing.assert_allclose(found, CELL)
