"""Gauss-Newton steps on positions and lattice towards a given latent.

The encoder is smooth, and decoded atoms are off by a tenth of their width, so
one or two steps reach the precision of float32.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from crystal_jax.codec.refinement.config import RefineConfig
from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.structure.crystal import Crystal

# A step that does not lower the residual is cut to a third; below this share of
# it, the steps end.
_CUT, _SMALLEST = 3, 0.1


@dataclasses.dataclass(frozen=True)
class Target:
  """The latent that a refined crystal should encode to.

  Attributes:
    z: The latent.
    std: Standard deviation of the posterior, by which residuals are divided.
    lattice: Whether the lattice is refined too.
    deadline: Value of `time.monotonic()`, s, after which no step and no edit
      begins.
  """

  z: Float[np.ndarray, 'L']
  std: Float[np.ndarray, 'L']
  lattice: bool
  deadline: float = float('inf')

  def residual(
    self, mean: Float[np.ndarray, '*B L']
  ) -> Float[np.ndarray, '*B L']:
    """Difference of latents from the target, in standard deviations."""
    return (mean - self.z) / self.std

  def is_late(self) -> bool:
    """Whether the deadline has passed."""
    return time.monotonic() > self.deadline


def mean_squared(
  residual: Float[np.ndarray, '*B L'],
) -> Float[np.ndarray, '*B']:
  """Mean of the squares; infinite where a residual is not finite."""
  mean = np.mean(np.square(residual, dtype=np.float64), axis=-1)
  return np.where(np.isfinite(mean), mean, np.inf)


def gauss_newton(
  encoder: Encoder,
  crystal: Crystal,
  target: Target,
  config: RefineConfig,
  steps: int | None = None,
) -> tuple[Crystal, float]:
  """The crystal with refined positions and lattice.

  Args:
    encoder: Encoder that computes latents and their Jacobian.
    crystal: Decoded crystal, in its decoded frame, without empty slots.
    target: The latent to reach.
    config: Constants; limits of the steps.
    steps: Maximum number of steps; None: `config.max_steps`.

  Returns:
    The refined crystal and its mean squared residual, which is at most the one
    before.
  """
  residual = _residual(encoder, crystal, target)
  best, solve, share = float(mean_squared(residual)), None, 1.0
  # A new linearization costs nothing there.
  reuse_share = 0 if is_large(crystal, target, config) else config.reuse_share
  for _ in range(config.max_steps if steps is None else steps):
    if best < config.float_residual or not np.isfinite(best):
      break
    if target.is_late():
      break
    is_fresh = solve is None
    if solve is None:
      solve = _solver(encoder, crystal, target, config)
    moved = displaced(crystal, share * solve(residual), config)
    residual_after = _residual(encoder, moved, target)
    after = float(mean_squared(residual_after))
    if after < best:
      if after > reuse_share * best:
        solve = None
      is_slow = after > config.stop_share * best
      crystal, residual, best, share = moved, residual_after, after, 1.0
      if is_slow and is_fresh:
        break
    elif is_fresh or share < 1:
      share /= _CUT
      if share < _SMALLEST:
        break
    else:
      solve = None
  return crystal, best


def _solver(
  encoder: Encoder, crystal: Crystal, target: Target, config: RefineConfig
) -> Callable[[Float[np.ndarray, 'L']], Float[np.ndarray, 'M 3']]:
  """The function from a residual at the crystal to the step against it."""
  if is_large(crystal, target, config):

    def by_products(residual):
      step = encoder.gauss_newton_step(
        crystal, residual, target.std, config.iterations
      )
      return np.pad(step, ((0, 3), (0, 0)))

    return by_products
  basis = displacements(crystal, target.lattice)
  jacobian = encoder.jacobian(crystal, basis) / target.std
  inverse = pseudoinverse(jacobian, config.singular_cutoff)
  return lambda residual: np.tensordot(-inverse @ residual, basis, 1)


def is_large(crystal: Crystal, target: Target, config: RefineConfig) -> bool:
  """Whether steps come from products with the Jacobian, not from itself."""
  return len(crystal.numbers) > config.dense_atoms and not target.lattice


def _residual(encoder, crystal, target) -> np.ndarray:
  return target.residual(encoder.latents([crystal])[0][0])


def pseudoinverse(
  jacobian: Float[np.ndarray, 'P L'], cutoff: float
) -> Float[np.ndarray, 'P L']:
  """Least-squares coefficients of the P displacements for a change of latent.

  Equals `pinv(jacobian.T, rcond=cutoff)`. The eigenvectors of the normal matrix
  give it in a tenth of the time, in float64 as exactly.
  """
  eigenvalues, vectors = np.linalg.eigh(jacobian @ jacobian.T)
  kept = eigenvalues > cutoff**2 * eigenvalues[-1]
  vectors = vectors[:, kept]
  return vectors / eigenvalues[kept] @ (vectors.T @ jacobian)


def displacements(
  crystal: Crystal, lattice: bool
) -> Float[np.ndarray, 'P M 3']:
  """Basis of the changes of a crystal of N atoms; M = N + 3.

  Each atom along each axis; with `lattice`, nine strains too, which take the
  atoms along. The last three rows displace the lattice vectors.
  """
  size = len(crystal.numbers)
  basis = np.eye(3 * size).reshape(-1, size, 3)
  basis = np.pad(basis, ((0, 0), (0, 3), (0, 0)))
  if lattice:
    points = np.concatenate([crystal.positions, crystal.cell])
    strains = points @ np.eye(9).reshape(9, 3, 3)
    basis = np.concatenate([basis, strains])
  return basis


def displaced(
  crystal: Crystal, step: Float[np.ndarray, 'M 3'], config: RefineConfig
) -> Crystal:
  """The crystal after a step, scaled down to the bounds of `config`."""
  size = len(crystal.numbers)
  strain = np.linalg.solve(np.asarray(crystal.cell, np.float64), step[size:])
  with_lattice = crystal.positions @ strain
  lengths = np.linalg.norm(step[:size] - with_lattice, axis=1)
  excess = max(
    1.0,
    lengths.max() / config.max_displacement,
    np.abs(strain).max() / config.max_strain,
  )
  step = step / excess
  return Crystal(
    crystal.numbers, crystal.positions + step[:size], crystal.cell + step[size:]
  )
