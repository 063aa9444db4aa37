"""Crystals read off latents, each encoded again and refined where needed."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float

from crystal_jax.codec.refinement.config import RefineConfig
from crystal_jax.codec.refinement.encoder import BATCH, Encoder
from crystal_jax.codec.refinement.gauss_newton import Target, mean_squared
from crystal_jax.codec.refinement.refine import converged, refine
from crystal_jax.representation.symmetric_positions import symmetrize_positions
from crystal_jax.structure import lattice, validation
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class Refined:
  """One decoded crystal, and how far its own latent is from the given one.

  Attributes:
    crystal: The crystal, or the reason why there is none.
    residual: Mean over the latent of ((mean - z) / std)²; NaN without a crystal
      or where it was not encoded again.
    certain: Whether the residual is that of the right crystal.
  """

  crystal: Crystal | str
  residual: float = float('nan')
  certain: bool = False


def refine_batch(
  encoder: Encoder | None,
  z: Float[np.ndarray, 'B L'],
  outputs: Mapping[str, Array],
  readouts: Sequence[Crystal | str],
  *,
  symmetrize: float,
  refine_which: str,
  config: RefineConfig,
  allowed: Collection[int] | None = None,
) -> list[Refined]:
  """Valid, symmetrized and refined crystals of a batch of latents.

  Args:
    encoder: Encoder of the model. None: no crystal is encoded again, as with
      'none'.
    z: Latents.
    outputs: Network outputs for them; further rows are ignored.
    readouts: Crystals read from the outputs, or the reasons why there is none.
    symmetrize: Tolerance within which atoms move to symmetric positions, Å.
      They do not move in a refined crystal whose latent is exactly the given
      one. 0: no atom moves.
    refine_which: 'none', 'auto' (those whose own latent disagrees with the
      given one) or 'all'.
    config: Tuned constants.
    allowed: Atomic numbers that may be substituted; None: all.

  Returns:
    One for each latent. With 'none' no crystal is encoded, and residuals are
    NaN.
  """
  if refine_which == 'auto':
    enough = max(config.float_residual, config.enough_residual)
    config = dataclasses.replace(config, float_residual=enough)
  crystals = [_valid(readout, symmetrize) for readout in readouts]
  valid = {i: c for i, c in enumerate(crystals) if isinstance(c, Crystal)}
  results = [Refined(crystal) for crystal in crystals]
  if encoder is None or refine_which == 'none' or not valid:
    return results
  means, stds = encoder.latents([*valid.values()], BATCH)
  targets = {}
  for i, mean, std in zip(valid, means, stds, strict=True):
    target = Target(z[i], std, not encoder.representation.lattice_is_exact)
    residual = target.residual(mean)
    before = float(mean_squared(residual))
    is_near = _is_near(residual, config)
    certain = is_near and _shows_period(valid[i], config)
    results[i] = Refined(valid[i], before, certain)
    if np.isfinite(before) and (
      refine_which == 'all'
      or not is_near
      or _may_drift(before, _spacing(encoder, valid[i]), config)
    ):
      targets[i] = target
  candidates = encoder.representation.candidates(outputs, [*targets])

  def refined(index, candidates_of_one):
    before = results[index]
    deadline = time.monotonic() + config.seconds
    target = dataclasses.replace(targets[index], deadline=deadline)
    try:
      found, after = refine(
        encoder, [readouts[index], *candidates_of_one], target, config, allowed
      )
      is_exact = after < config.exact_residual
      found = _valid(found, 0 if is_exact else symmetrize)
      if not isinstance(found, Crystal) or not after < before.residual:
        return before
      residual = target.residual(encoder.latents([found])[0][0])
      certain = converged(residual, config) and _shows_period(found, config)
      return Refined(found, float(mean_squared(residual)), certain)
    except Exception:  # noqa: BLE001
      # One crystal that defeats the linear algebra stays as it was read; the
      # others of the batch are refined.
      return before

  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = [*pool.map(refined, targets, candidates)]
  for index, result in zip(targets, found, strict=True):
    results[index] = result
  return results


def compare(
  encoder: Encoder,
  z: Float[np.ndarray, 'B L'],
  crystals: Sequence[Crystal | None],
  config: RefineConfig,
) -> tuple[Float[np.ndarray, 'B'], np.ndarray]:
  """Residuals of unrefined crystals, and which are certain, as in `Refined`."""
  residuals = np.full(len(crystals), np.nan)
  certain = np.zeros(len(crystals), bool)
  present = {i: c for i, c in enumerate(crystals) if c is not None}
  if present:
    means, stds = encoder.latents([*present.values()], BATCH)
    for index, mean, std in zip(present, means, stds, strict=True):
      residual = (mean - z[index]) / std
      residuals[index] = mean_squared(residual)
      certain[index] = _is_near(residual, config) and _shows_period(
        present[index], config
      )
  return residuals, certain


def _is_near(residual, config) -> bool:
  """Whether an unrefined crystal is the right one, but for its positions."""
  is_small = float(mean_squared(residual)) < config.sure_residual
  return is_small or converged(residual, config)


def _shows_period(crystal, config) -> bool:
  """Whether the lattice is short enough for the atoms to determine it."""
  if not np.isfinite(config.certain_vector):
    return True
  reduced, _ = lattice.minkowski_reduce(crystal.cell)
  longest = float(np.linalg.norm(reduced, axis=1).max())
  return longest <= config.certain_vector


def _may_drift(residual, spacing, config) -> bool:
  """Whether voxels are so long that a small residual is a large distance.

  False for a sample of the posterior, whose residual does not tell positions.
  """
  error = spacing * np.sqrt(residual)
  return (
    residual < config.sure_residual
    and spacing > config.sure_spacing
    and error > config.sure_error
  )


def _spacing(encoder, crystal) -> float:
  """Length of the longest edge of a voxel, Å."""
  cell = np.asarray(crystal.cell)
  origin = encoder.representation.voxel_to_cartesian(np.zeros(3, int), cell)
  return max(
    float(np.linalg.norm(position - origin))
    for position in (
      encoder.representation.voxel_to_cartesian(voxel, cell)
      for voxel in np.eye(3, dtype=int)
    )
  )


def _valid(crystal: Crystal | str, symmetrize: float) -> Crystal | str:
  """A valid crystal in its symmetric positions, or why there is none."""
  if isinstance(crystal, Crystal):
    crystal = validation.check_decoded(crystal)
  if symmetrize and isinstance(crystal, Crystal):
    crystal = symmetrize_positions(crystal, symmetrize)
  return crystal
