"""A head fitted to a user's own values, and what it is worth.

The head is a ridge regression on latents. Its error is held out by formula, and
stands beside the errors of baselines on the same folds: the mean, and element
fractions by ridge and by gradient boosting. A latent that does not beat the
composition adds nothing to it, and `Report.verdict` says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from crystal_jax.properties import composition
from crystal_jax.properties.ridge import Ridge, fit_ridge

FOLDS = 5

# Features and targets of some rows to a function of features.
Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Score:
  """Held-out errors of one way to predict.

  Attributes:
    mae: Mean absolute error, in units of the property.
    r2: 1 - mean squared error / variance.
  """

  mae: float
  r2: float


@dataclasses.dataclass(frozen=True)
class Report:
  """A fitted head's held-out errors, beside those of baselines.

  Attributes:
    crystals: How many values were fitted.
    latent: Errors of the head.
    baselines: Errors by name; boosting is there if scikit-learn is installed.
  """

  crystals: int
  latent: Score
  baselines: Mapping[str, Score]

  @property
  def verdict(self) -> str:
    """Whether the latent is worth more than the baselines, in one sentence."""
    name, best = min(self.baselines.items(), key=lambda item: item[1].mae)
    if self.latent.mae < best.mae:
      return (
        f'The latent is better than {name}: a mean absolute error of '
        f'{self.latent.mae:.3g} for {best.mae:.3g}.'
      )
    return (
      f'The latent is no better than {name}: a mean absolute error of '
      f'{self.latent.mae:.3g} for {best.mae:.3g}. Use {name}.'
    )


def fit(
  z: Float[np.ndarray, 'B D'],
  values: Float[np.ndarray, 'B'],
  numbers: composition.Numbers,
  *,
  folds: int = FOLDS,
) -> tuple[Ridge, Report]:
  """A head fitted to all rows, and errors held out by formula.

  Args:
    z: Latents.
    values: The property.
    numbers: Atomic numbers of each crystal.
    folds: Number of parts; each is held out once.

  Raises:
    ValueError: If there are fewer than two formulas.
  """
  masks = composition.formula_folds(numbers, folds)
  fractions = composition.element_fractions(numbers)
  ways: dict[str, tuple[np.ndarray, Fit]] = {
    'the mean': (fractions, _fit_mean),
    'element fractions, ridge': (fractions, _fit_ridge),
  }
  boosting = _boosting()
  if boosting is not None:
    ways['element fractions, gradient boosting'] = fractions, boosting
  scores = {
    name: score(values, held_out(x, values, masks, way))
    for name, (x, way) in ways.items()
  }
  latent = score(values, held_out(z, values, masks, _fit_ridge))
  head = fit_ridge(z, values[:, None])
  return head, Report(len(values), latent, scores)


def held_out(
  x: Float[np.ndarray, 'B D'],
  values: Float[np.ndarray, 'B'],
  masks: list[np.ndarray],
  way: Fit,
) -> Float[np.ndarray, 'B']:
  """Predictions for each fold by a fit of the other folds."""
  predicted = np.full(len(values), np.nan)
  for mask in masks:
    predicted[mask] = way(x[~mask], values[~mask])(x[mask])
  return predicted


def score(
  values: Float[np.ndarray, 'B'], predicted: Float[np.ndarray, 'B']
) -> Score:
  """Errors of predictions."""
  error = np.asarray(predicted, np.float64) - values
  variance = max(float(np.var(values)), 1e-300)
  return Score(
    float(np.abs(error).mean()), float(1 - np.mean(error**2) / variance)
  )


def _fit_mean(x, values):
  del x
  mean = values.mean()
  return lambda x: np.full(len(x), mean)


def _fit_ridge(x, values):
  if len(values) < 2:
    return _fit_mean(x, values)
  fitted = fit_ridge(x, values[:, None])
  return lambda x: fitted(x)[:, 0]


def _boosting() -> Fit | None:
  """Gradient boosting of scikit-learn's defaults; None: not installed."""
  try:
    from sklearn.ensemble import HistGradientBoostingRegressor
  except ImportError:
    return None

  def fit_boosting(x, values):
    return HistGradientBoostingRegressor(random_state=0).fit(x, values).predict

  return fit_boosting
