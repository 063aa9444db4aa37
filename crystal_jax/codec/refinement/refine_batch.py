"""Crystals read off latents, each encoded again and refined where needed."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float

from crystal_jax.codec import batching
from crystal_jax.codec.refinement.config import RefineConfig
from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.codec.refinement.gauss_newton import Target, mean_squared
from crystal_jax.codec.refinement.refine import converged, refine
from crystal_jax.representation.symmetric_positions import symmetrize_positions
from crystal_jax.structure import validation
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class Refined:
  """One decoded crystal, and how far its own latent is from the given one.

  Attributes:
    crystal: The crystal, or the reason why there is none.
    residual: Mean over the latent of ((mean - z) / std)²; NaN without a crystal
      or where its latent was not asked for.
  """

  crystal: Crystal | str
  residual: float = float('nan')


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
    encoder: Of the model; None: none is encoded again, as with 'none'.
    z: Latents.
    outputs: Of the networks for them, and maybe for more.
    readouts: Crystals that were read off the outputs, or the reasons why there
      is none.
    symmetrize: Å; atoms move to symmetric positions within this, but for a
      refined crystal that has exactly the given latent. 0: none move.
    refine_which: 'none', 'auto' (those whose own latent disagrees with the
      given one) or 'all'.
    config: Tuned constants.
    allowed: Atomic numbers that may be substituted; None: all.

  Returns:
    One for each latent. With 'none' no crystal is encoded, and residuals are
    NaN.
  """
  crystals = [_valid(readout, symmetrize) for readout in readouts]
  valid = {i: c for i, c in enumerate(crystals) if isinstance(c, Crystal)}
  results = [Refined(crystal) for crystal in crystals]
  if encoder is None or refine_which == 'none' or not valid:
    return results
  means, stds = encoder.latents([*valid.values()], batching.SIZE)
  targets = {}
  for i, mean, std in zip(valid, means, stds, strict=True):
    lattice = not encoder.representation.lattice_is_exact
    target = Target(z[i], std, lattice)
    residual = target.residual(mean)
    size = float(mean_squared(residual))
    results[i] = Refined(valid[i], size)
    if np.isfinite(size) and (
      refine_which == 'all' or not _is_sure(residual, config)
    ):
      targets[i] = target
  candidates = encoder.representation.candidates(outputs, [*targets])

  def refined(index, others):
    target, before = targets[index], results[index]
    try:
      found, after = refine(
        encoder, [readouts[index], *others], target, config, allowed
      )
      is_exact = after < config.exact_residual
      found = _valid(found, 0 if is_exact else symmetrize)
      if not isinstance(found, Crystal) or not after < before.residual:
        return before
      if symmetrize and not is_exact:
        mean = encoder.latents([found])[0][0]
        after = float(mean_squared(target.residual(mean)))
      return Refined(found, after)
    except Exception:  # noqa: BLE001
      # One crystal that defeats the linear algebra stays as it was read; the
      # others of the batch are refined.
      return before

  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = [*pool.map(refined, targets, candidates)]
  for index, result in zip(targets, found, strict=True):
    results[index] = result
  return results


def residuals(
  encoder: Encoder,
  z: Float[np.ndarray, 'B L'],
  crystals: Sequence[Crystal | None],
) -> Float[np.ndarray, 'B']:
  """Residual of each crystal, as in `Refined`; NaN where there is none."""
  found = np.full(len(crystals), np.nan)
  indices = [i for i, crystal in enumerate(crystals) if crystal is not None]
  present = [crystal for crystal in crystals if crystal is not None]
  if present:
    means, stds = encoder.latents(present, batching.SIZE)
    found[indices] = mean_squared((means - z[indices]) / stds)
  return found


def _is_sure(residual, config) -> bool:
  """Whether a crystal needs no refinement."""
  size = float(mean_squared(residual))
  return size < config.sure_residual or converged(residual, config)


def _valid(crystal: Crystal | str, symmetrize: float) -> Crystal | str:
  """A valid crystal in its symmetric positions, or why there is none."""
  if isinstance(crystal, Crystal):
    crystal = validation.check_decoded(crystal)
  if symmetrize and isinstance(crystal, Crystal):
    crystal = symmetrize_positions(crystal, symmetrize)
  return crystal
