"""Fit of a head to a user's own values, with held-out errors.

The head is a ridge regression on latents. Its error is held out by formula, or
by crystal if all have one formula, and compared with baselines on the same
folds: the mean, and element fractions by ridge and by gradient boosting.
`Report.verdict` says whether the latent is better than the composition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from crystal_jax.properties import composition
from crystal_jax.properties.ridge import Ridge, fit_ridge

FOLDS = 5

# Function from features and targets to a fitted function of features.
Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]

# With fewer crystals, which model has the smaller error may be chance: a mean
# absolute error of 50 values is known to some 10 %.
_FEW = 50


@dataclasses.dataclass(frozen=True)
class Score:
  """Held-out errors of one predictor.

  Attributes:
    mae: Mean absolute error, in units of the property.
    r2: 1 - mean squared error / variance.
  """

  mae: float
  r2: float


@dataclasses.dataclass(frozen=True)
class Report:
  """Held-out errors of a fitted head and of baselines.

  Attributes:
    crystals: Number of fitted values.
    latent: Errors of the head.
    baselines: Errors by name; boosting only if scikit-learn is installed.
    held_out_by: 'formula', or 'crystal' if all crystals have one formula.
      Near-duplicates of a crystal then lower its error.
  """

  crystals: int
  latent: Score
  baselines: Mapping[str, Score]
  held_out_by: str = 'formula'

  @property
  def verdict(self) -> str:
    """Whether the latent is better than the baselines, in words."""
    name, best = min(self.baselines.items(), key=lambda item: item[1].mae)
    is_better = self.latent.mae < best.mae
    text = (
      f'The latent is {"" if is_better else "no "}better than {name}: a mean '
      f'absolute error of {self.latent.mae:.3g} for {best.mae:.3g}.'
    )
    if self.crystals < _FEW:
      return f'{text} With {self.crystals} crystals this may be chance.'
    return text if is_better else f'{text} Use {name}.'


def fit(
  z: Float[np.ndarray, 'B D'],
  values: Float[np.ndarray, 'B'],
  numbers: composition.Numbers,
  *,
  folds: int = FOLDS,
) -> tuple[Ridge, Report]:
  """A head fitted to all rows, and held-out errors; see `Report`.

  Args:
    z: Latents.
    values: The property.
    numbers: Atomic numbers of each crystal.
    folds: Number of parts; each is held out once.

  Raises:
    ValueError: If there are fewer than two values.
  """
  if len(values) < 2:
    raise ValueError(
      f'Need at least two crystals to hold some out, not {len(values)}.'
    )
  groups = composition.formula_groups(numbers)
  is_one_formula = bool((groups == groups[0]).all())
  if is_one_formula:
    groups = np.arange(len(numbers))
  masks = composition.group_folds(groups, folds)
  fractions = composition.element_fractions(numbers)
  predictors: dict[str, tuple[np.ndarray, Fit]] = {
    'the mean': (fractions, _fit_mean),
    'element fractions, ridge': (fractions, _fit_ridge),
  }
  boosting = _boosting()
  if boosting is not None:
    predictors['element fractions, gradient boosting'] = fractions, boosting
  scores = {
    name: score(values, held_out(x, values, masks, fit_rows))
    for name, (x, fit_rows) in predictors.items()
  }
  latent = score(values, held_out(z, values, masks, _fit_ridge))
  head = fit_ridge(z, values[:, None])
  held_out_by = 'crystal' if is_one_formula else 'formula'
  return head, Report(len(values), latent, scores, held_out_by)


def held_out(
  x: Float[np.ndarray, 'B D'],
  values: Float[np.ndarray, 'B'],
  masks: list[np.ndarray],
  fit_rows: Fit,
) -> Float[np.ndarray, 'B']:
  """Predictions for each fold by a fit of the other folds."""
  predicted = np.full(len(values), np.nan)
  for mask in masks:
    predicted[mask] = fit_rows(x[~mask], values[~mask])(x[mask])
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
  """scikit-learn's gradient boosting; None if it is not installed."""
  try:
    from sklearn.ensemble import HistGradientBoostingRegressor
  except ImportError:
    return None

  def fit_boosting(x, values):
    return HistGradientBoostingRegressor(random_state=0).fit(x, values).predict

  return fit_boosting
