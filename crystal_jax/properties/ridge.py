"""Ridge regression with the penalty of smallest leave-one-out error.

With features standardised, X = U S Vᵀ, and a penalty α, the fit is
ŷ = U diag(s² / (s² + α)) Uᵀ y, and the error of row i without row i is
(y - ŷ)_i / (1 - h_i), where h is the diagonal of the matrix before y.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import ArrayLike, Float

ALPHAS = 10.0 ** np.arange(-2, 5.1, 0.5)


@dataclasses.dataclass(frozen=True)
class Ridge:
  """A fitted linear map.

  Attributes:
    kernel: Weights, [D, K].
    bias: Bias, [K].
    alpha: Chosen penalty, for standardised features.
  """

  kernel: Float[np.ndarray, 'D K']
  bias: Float[np.ndarray, 'K']
  alpha: float

  def __call__(self, x: Float[ArrayLike, 'B D']) -> Float[np.ndarray, 'B K']:
    """Predicted values of rows of features."""
    return np.asarray(x, np.float64) @ self.kernel + self.bias


def fit_ridge(x: Float[ArrayLike, 'B D'], y: Float[ArrayLike, 'B K']) -> Ridge:
  """The ridge regression with the smallest leave-one-out error.

  Args:
    x: Features, finite. Constant features are ignored.
    y: Targets, finite.

  Raises:
    ValueError: If there are fewer than two rows, or one is not finite.
  """
  x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
  if len(x) < 2 or len(x) != len(y) or y.ndim != 2:
    raise ValueError(
      f'Need two rows or more, as many of x {x.shape} as of y {y.shape}.'
    )
  if not (np.isfinite(x).all() and np.isfinite(y).all()):
    raise ValueError('A feature or a target is not finite.')
  mean, scale, middle = x.mean(0), x.std(0), y.mean(0)
  varies = scale > 1e-9 * np.maximum(np.abs(mean), 1e-9)
  scale = np.where(varies, scale, np.inf)
  u, s, vt = np.linalg.svd((x - mean) / scale, full_matrices=False)
  kept = s > 1e-9 * max(s.max(initial=0), 1e-300)
  u, s, vt = u[:, kept], s[kept], vt[kept]
  target = u.T @ (y - middle)
  errors = []
  for alpha in ALPHAS:
    shrink = s**2 / (s**2 + alpha)
    residual = y - middle - u @ (shrink[:, None] * target)
    leverage = 1 / len(x) + np.square(u) @ shrink
    influence = np.maximum(1 - leverage, 1e-9)
    errors.append(np.mean(np.square(residual / influence[:, None])))
  alpha = float(ALPHAS[int(np.argmin(errors))])
  kernel = vt.T @ ((s / (s**2 + alpha))[:, None] * target) / scale[:, None]
  return Ridge(kernel, middle - mean @ kernel, alpha)
