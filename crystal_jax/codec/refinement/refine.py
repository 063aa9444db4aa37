"""Analysis by synthesis: refine a crystal until it encodes to a latent."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.codec.refinement.config import RefineConfig
from crystal_jax.codec.refinement.edits import (
  additions,
  exchanges,
  substitutions_and_removals,
)
from crystal_jax.codec.refinement.encoder import BATCH, Encoder
from crystal_jax.codec.refinement.gauss_newton import (
  Target,
  displaced,
  displacements,
  gauss_newton,
  is_large,
  mean_squared,
  pseudoinverse,
)
from crystal_jax.structure.crystal import Crystal

# Median of the square of a standard normal deviate.
_NORMAL_MEDIAN = 0.4549
# Number of an atom that an edit removes.
_REMOVED = 0


def refine(
  encoder: Encoder,
  starts: Sequence[Crystal],
  target: Target,
  config: RefineConfig,
  allowed: Collection[int] | None = None,
) -> tuple[Crystal, float]:
  """The crystal near one of the starts whose latent is nearest to a target.

  Gauss-Newton steps refine positions and lattice. Then one atom at a time is
  substituted, removed or added, for as long as that lowers the residual and
  the target's deadline has not passed.

  Args:
    encoder: Encoder that computes latents and their derivatives.
    starts: Crystals decoded from the latent, at least one, without empty slots.
    target: The latent to reach.
    config: Tuned constants.
    allowed: Atomic numbers that an atom may be substituted by; None: all.

  Returns:
    The crystal, and its mean squared residual.
  """
  crystal, best = _refined_start(encoder, starts, target, config)
  for _ in range(config.max_edits):
    mean = encoder.latents([crystal])[0][0]
    if not np.isfinite(best) or converged(target.residual(mean), config):
      break
    if target.is_late():
      break
    edit = _joint_edits if is_large(crystal, target, config) else _best_edit
    best_edit = edit(encoder, crystal, target, mean, config, allowed)
    found = [] if best_edit is None else [best_edit]
    if best_edit is None or best_edit[1] > config.addition_share * best:
      found += _additions(encoder, crystal, target, mean, config)
    if not found:
      break
    edited, after = min(found, key=_second)
    needed = max(config.min_gain / len(target.z), config.min_gain_share * best)
    if best - after < needed:
      break
    crystal, best = gauss_newton(encoder, edited, target, config)
  return crystal, best


def converged(residual: Float[np.ndarray, 'L'], config: RefineConfig) -> bool:
  """Whether a residual is that of the right crystal.

  The residual either vanishes, or is like noise of the posterior: as large, and
  spread evenly over the latent.
  """
  mean = float(mean_squared(residual))
  if mean < config.exact_residual:
    return True
  robust = float(np.median(np.square(residual))) / _NORMAL_MEDIAN
  low, high = config.sample_residual
  return low < mean < high and mean < config.sample_evenness * robust


def _refined_start(encoder, starts, target, config):
  """The best start after its Gauss-Newton steps; the first that converges."""
  residuals = target.residual(encoder.latents(starts)[0])
  found = []
  for index in np.argsort(mean_squared(residuals))[: config.starts]:
    crystal, after = gauss_newton(encoder, starts[index], target, config)
    mean = encoder.latents([crystal])[0][0]
    if converged(target.residual(mean), config):
      return crystal, after
    found.append((crystal, after))
    if target.is_late():
      break
  return min(found, key=_second)


def _second(pair):
  return pair[1]


def _best_edit(encoder, crystal, target, mean, config, allowed):
  """The best crystal with one atom substituted or removed, and its residual.

  None if no atom can be. The other atoms take the step that is linear in the
  residual, twice.
  """
  basis = displacements(crystal, target.lattice)
  jacobian = encoder.jacobian(crystal, basis) / target.std
  inverse = pseudoinverse(jacobian, config.singular_cutoff)
  gradient = _code_gradient(encoder, crystal, target, mean)
  edits = [*substitutions_and_removals(crystal, gradient, config, allowed)]
  if not edits:
    return None
  for number in (config.encoded_twice, 1):
    means, _ = encoder.latents([c for c, _ in edits], BATCH)
    residuals = target.residual(means)
    steps = -residuals @ inverse.T
    predicted = mean_squared(residuals + steps @ jacobian)
    edits = [
      (
        _take_step(*edits[i], np.tensordot(steps[i], basis, 1), config),
        edits[i][1],
      )
      for i in np.argsort(predicted)[:number]
    ]
  ((edited, _),) = edits
  residual = target.residual(encoder.latents([edited])[0][0])
  return edited, float(mean_squared(residual))


def _joint_edits(encoder, crystal, target, mean, config, allowed):
  """The best crystal with several atoms edited, and its residual, or None.

  For large crystals, in which wrong atoms that are far from each other are
  independent. The edits of single atoms are ranked; the best one is made, then
  each of the next that lowers the residual further. Then all atoms take steps.
  """
  gradient = _code_gradient(encoder, crystal, target, mean)
  edits = [
    *substitutions_and_removals(crystal, gradient, config, allowed),
    *exchanges(crystal, gradient, config),
  ]
  if not edits:
    return None
  means, _ = encoder.latents([c for c, _ in edits], BATCH)
  residuals = mean_squared(target.residual(means))
  before = np.asarray(crystal.numbers)
  numbers, joint, lowest = before, crystal, np.inf
  for i in np.argsort(residuals)[: config.joint_edits]:
    edited, kept = edits[i]
    after = np.full_like(before, _REMOVED)
    after[kept] = edited.numbers
    is_changed = after != before
    if (numbers != before)[is_changed].any():
      continue
    merged = np.where(is_changed, after, numbers)
    rest = merged != _REMOVED
    if not rest.any():
      continue
    if np.isfinite(lowest):
      edited = Crystal(merged[rest], crystal.positions[rest], crystal.cell)
      mean = encoder.latents([edited])[0][0]
      residual = float(mean_squared(target.residual(mean)))
    else:
      residual = float(residuals[i])
    if residual < lowest:
      numbers, joint, lowest = merged, edited, residual
  return gauss_newton(encoder, joint, target, config, config.addition_steps)


def _code_gradient(encoder, crystal, target, mean):
  """Gradient of half the squared residual by the element codes."""
  cotangent = target.residual(mean) / target.std
  return encoder.code_gradient(crystal, cotangent.astype(np.float32))


def _take_step(crystal, kept, step, config):
  """An edited crystal after a step of the unedited one; it kept some atoms."""
  size = len(step) - 3
  return displaced(crystal, step[np.append(kept, size + np.arange(3))], config)


def _additions(encoder, crystal, target, mean, config):
  """The best crystals with added atoms, refined, and their residuals."""
  latents = np.stack([target.z, mean]).astype(np.float32)
  added = [*additions(encoder, crystal, latents, config)]
  if not added:
    return []
  means, _ = encoder.latents(added, BATCH)
  residuals = mean_squared(target.residual(means))
  best = [added[i] for i in np.argsort(residuals)]
  if is_large(crystal, target, config):
    best = [_joint_addition(encoder, best, target, residuals.min(), config)]
  return [
    gauss_newton(encoder, each, target, config, config.addition_steps)
    for each in best[: config.refined_additions]
  ]


def _joint_addition(encoder, added, target, lowest, config):
  """The best crystal with some added atoms, each of which lowers the residual.

  Args:
    encoder: See `refine`.
    added: Crystals with one added atom, the last; by ascending residual.
    target: See `refine`.
    lowest: Residual of the first.
    config: See `refine`.
  """
  joint, *candidates = added
  tried = [joint.positions[-1]]
  for candidate in candidates:
    number, position = candidate.numbers[-1], candidate.positions[-1]
    if any(np.array_equal(position, each) for each in tried):
      continue
    tried.append(position)
    more = Crystal(
      np.append(joint.numbers, number),
      np.concatenate([joint.positions, position[None]]),
      joint.cell,
    )
    mean = encoder.latents([more])[0][0]
    residual = float(mean_squared(target.residual(mean)))
    if residual < lowest:
      joint, lowest = more, residual
  return joint
