"""Ridge, folds by formula, neighbours, pooling, optimisation: on arrays."""

import dataclasses

import numpy as np
import pytest

from crystal_jax.properties import (
  composition,
  fitting,
  neighbors,
  optimization,
  pooling,
)
from crystal_jax.properties.ridge import ALPHAS, fit_ridge

RNG = np.random.default_rng(0)


def test_ridge_finds_a_linear_map_whatever_the_units():
  x = RNG.normal(size=(200, 12)) * 10.0 ** np.arange(-6, 6) + 3.0
  kernel = RNG.normal(size=(12, 2)) / x.std(0)[:, None]
  found = fit_ridge(x, x @ kernel + 7.0)
  np.testing.assert_allclose(found(x), x @ kernel + 7.0, atol=1e-3)


def test_the_penalty_is_of_least_error_with_each_row_left_out():
  x, y = RNG.normal(size=(30, 40)), RNG.normal(size=(30, 1))
  y = y + x[:, :1]
  x = (x - x.mean(0)) / x.std(0)

  def direct(alpha):
    errors = []
    for i in range(30):
      rows = np.arange(30) != i
      a, b = x[rows], y[rows]
      m, n = a.mean(0), b.mean(0)
      gram = (a - m).T @ (a - m) + alpha * np.eye(40)
      k = np.linalg.solve(gram, (a - m).T @ (b - n))
      errors.append((y[i] - n - (x[i] - m) @ k)[0])
    return np.mean(np.square(errors))

  best = ALPHAS[np.argmin([direct(alpha) for alpha in ALPHAS])]
  assert fit_ridge(x, y).alpha == pytest.approx(best)


def test_ridge_takes_features_that_do_not_vary_and_refuses_nan():
  x, y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 1))
  constant = np.concatenate([x, np.full((20, 1), 4.0)], 1)
  np.testing.assert_allclose(
    fit_ridge(constant, y)(constant), fit_ridge(x, y)(x), atol=1e-9
  )
  x[3, 1] = np.nan
  with pytest.raises(ValueError, match='not finite'):
    fit_ridge(x, y)


def test_a_formula_is_in_one_fold():
  cells = [[11, 17], [11, 11, 17, 17], [22, 8, 8], [0, 8, 22, 8], [26], [6]]
  numbers = [np.array(cell) for cell in cells]
  groups = composition.formula_groups(numbers)
  np.testing.assert_array_equal(groups, [0, 0, 1, 1, 2, 3])
  folds = composition.group_folds(groups, 3)
  assert np.sum(folds, axis=0).tolist() == [1] * 6
  for fold in folds:
    assert fold[0] == fold[1]
    assert fold[2] == fold[3]
  with pytest.raises(ValueError, match='two groups'):
    composition.group_folds(np.array([0, 0]), 5)


def test_polymorphs_are_held_out_by_crystal():
  rng = np.random.default_rng(0)
  z = rng.normal(size=(60, 3))
  values = z @ [1.0, 2.0, 0.0] + 0.01 * rng.normal(size=60)
  _, report = fitting.fit(z, values, [np.full(4, 6)] * 60)
  assert report.held_out_by == 'crystal' and report.latent.r2 > 0.99
  assert report.baselines['element fractions, ridge'].r2 < 0.1
  folds = composition.group_folds(np.arange(7), 3)
  assert np.sum(folds, axis=0).tolist() == [1] * 7
  with pytest.raises(ValueError, match='two crystals'):
    fitting.fit(z[:1], values[:1], [np.full(4, 6)])


def test_fractions_sum_to_one():
  fractions = composition.element_fractions([np.array([22, 8, 8, 0, 0])])
  assert fractions[0, 21] == pytest.approx(1 / 3)
  assert fractions.sum() == pytest.approx(1)


@pytest.mark.parametrize('by_composition', [True, False])
def test_the_verdict_says_where_composition_is_enough(by_composition):
  numbers = [RNG.integers(1, 20, 4) for _ in range(120)]
  fractions = composition.element_fractions(numbers)
  z = RNG.normal(size=(120, 6))
  source = fractions @ RNG.normal(size=94) if by_composition else z[:, 0]
  _, report = fitting.fit(z, 5 * source, numbers)
  wins = report.latent.mae < min(s.mae for s in report.baselines.values())
  assert wins != by_composition
  assert ('no better' in report.verdict) == by_composition
  assert 'the mean' in report.baselines
  few = dataclasses.replace(report, crystals=9)
  assert few.verdict.endswith('With 9 crystals this may be chance.')


def test_what_the_posterior_does_not_know_does_not_count():
  z = RNG.normal(size=(50, 4))
  std = np.tile([0.1, 0.1, 1.0, 1.0], (50, 1))
  known = neighbors.known_share(std)
  query = z[:5].copy()
  query[:, 2:] = RNG.normal(size=(5, 2))
  indices, distances = neighbors.nearest(query, z, 3, known)
  np.testing.assert_array_equal(indices[:, 0], np.arange(5))
  np.testing.assert_allclose(distances[:, 0], 0, atol=1e-6)
  assert (np.diff(distances) >= 0).all()


def test_neighbours_have_a_latent():
  z = RNG.normal(size=(4, 2))
  z[1] = np.nan
  indices, _ = neighbors.nearest(z[:1], z, 10, np.ones(2))
  assert sorted(indices[0].tolist()) == [0, 2, 3]


def test_pooled_latents_do_not_know_which_token_is_which():
  z = RNG.normal(size=(3, 8 * 5 + 6))
  shuffled = z.copy()
  tokens = z[:, :40].reshape(3, 8, 5)[:, RNG.permutation(8)]
  shuffled[:, :40] = tokens.reshape(3, 40)
  pooled = pooling.pool_tokens(z, 8)
  assert pooled.shape == (3, 4 * 5 + 6)
  np.testing.assert_allclose(pooled, pooling.pool_tokens(shuffled, 8))
  np.testing.assert_array_equal(pooled[:, -6:], z[:, -6:])


def test_optimisation_keeps_only_what_its_own_latent_confirms():
  # Crystals are numbers; the decoder rounds, so short steps do nothing.
  def encode(crystals):
    return np.array([[np.nan if c is None else c] for c in crystals], float)

  def decode(z):
    return [None if x < -5 else float(np.round(x)) for (x,) in z]

  first, second = optimization.optimize(
    [3.0, -4.9], encode, decode, lambda z: z[:, 0], np.array([-1.0]), steps=40
  )
  assert first.before == 3.0
  assert first.crystal == first.after == -5.0
  assert first.steps > 0
  assert second.after <= second.before


def test_optimisation_takes_the_best_exchange():
  # Crystals are numbers, which the decoder never changes.
  def encode(crystals):
    return np.array(crystals, float).reshape(-1, 1)

  (found,) = optimization.optimize(
    [3.0],
    encode,
    lambda z: [3.0] * len(z),
    lambda z: z[:, 0],
    np.array([-1.0]),
    steps=3,
    exchanges=lambda crystal, index, step: [crystal + 1, crystal - 2],
  )
  assert found.crystal == found.after == -3.0
  assert found.steps == 3
