"""Crystals to latents and back, with residuals and certainty of each."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike, Bool, Float, PyTree

from crystal_jax.codec.array_codec import ArrayCodec, Crystals
from crystal_jax.codec.last_call import LastCall
from crystal_jax.structure import adapters
from crystal_jax.structure.composition import Composition, contents_of
from crystal_jax.structure.crystal import Crystal

# Which crystals `decode` refines.
REFINE = 'auto', 'all', 'none'


class CrystalCodec(ArrayCodec):
  """Crystals to latents and back; the second part of `Codec`."""

  def __init__(self, model: Any, params: PyTree, card: Mapping[str, Any]):
    """See `ArrayCodec`.

    Raises:
      ValueError: If the card's `refine` has fields that do not exist.
    """
    from crystal_jax.codec import refinement

    super().__init__(model, params, card)
    self._refine_config = refinement.RefineConfig.from_card(self._card)
    self._last = LastCall()

  def encode(
    self, crystals: Crystals, *, skip: bool = False, std: bool = False
  ) -> (
    Float[np.ndarray, 'B D']
    | tuple[Float[np.ndarray, 'B D'], Float[np.ndarray, 'B D']]
  ):
    """Latents of crystals: the mean of the posterior q(z|crystal).

    With codecs of a cell, the latent of a crystal does not depend on its
    supercell, basis, origin or order of atoms.

    Args:
      crystals: One crystal, or any number: `Crystal`, `ase.Atoms` or pymatgen's
        `Structure`.
      skip: Whether a crystal that cannot be encoded gives a row of NaN, and its
        reason in `failures`. False: it raises an error.
      std: Whether to return the posterior's standard deviation too.

    Returns:
      The means, float32 [B, D], all that `decode` needs; with `std` a pair of
      the means and the standard deviations.

    Raises:
      ValueError: If a crystal cannot be encoded: its index and the reason.
    """
    mean, log_var = self._encode(crystals, skip=skip)
    return (mean, np.exp(0.5 * log_var)) if std else mean

  def kl(self, crystals: Crystals) -> Float[np.ndarray, 'B']:
    """KL(q(z|crystal) ‖ N(0, I)) in nats: the information in a latent.

    NaN for a crystal that cannot be encoded, the reason in `failures`.
    """
    mean, log_var = self._encode(crystals, skip=True)
    terms = np.square(mean) + np.exp(log_var) - 1 - log_var
    return 0.5 * terms.sum(axis=1, dtype=np.float64).astype(np.float32)

  def decode(
    self,
    z: Float[ArrayLike, 'B D'],
    *,
    composition: Composition | Sequence[Composition | None] | None = None,
    num_atoms: int | Sequence[int | None] | None = None,
    symmetrize: float | None = None,
    refine: str = 'auto',
    refine_seconds: float | None = None,
  ) -> list[Crystal | None]:
    """Crystals of latents.

    Each decoded crystal is encoded again. If the two latents disagree, the
    crystal is refined: Gauss-Newton steps on positions and lattice, and atoms
    substituted, removed and added. Only elements of the card are decoded.

    Args:
      z: Latents as `encode` returns them; a single one can be [D].
      composition: Formula of all crystals, such as 'LiFePO4', or a list with
        one for each latent: exactly these atoms are decoded. The number of
        formula units is read from the latent, or set by `num_atoms`. Only for
        codecs of cells.
      num_atoms: Number of atoms of all primitive cells, or a list with one
        number for each latent.
      symmetrize: Tolerance, Å, within which atoms move to symmetric positions.
        This removes much of the networks' error, and real distortions below the
        tolerance. 0: no atom moves. None: the card's tolerance, or 0.2. Atoms
        of a refined crystal that encodes to exactly this latent do not move.
      refine: Which crystals are refined: 'auto' (those whose latent disagrees),
        'all' (positions are then exact to float32) or 'none', the fastest.
      refine_seconds: Budget of the refinement of one crystal, s of wall time.
        After it, the best crystal so far is returned; `residuals` and `certain`
        tell how reliable it is. Compilation counts, for which the first
        crystals of a process wait. None: no limit but the number of edits.

    Returns:
      The primitive cells in a reduced basis, which need not be the cells that
      were encoded; None where no crystal was decoded, the reason in `failures`.
      `residuals` and `certain` tell how reliable each crystal is.

    Raises:
      ValueError: If the latents are not of this codec's size, `refine` is none
        of the three, `refine_seconds` is negative, or composition and number of
        atoms contradict each other.
    """
    from crystal_jax.codec import decoding
    from crystal_jax.representation import symmetric_positions

    z = self._latents(z)
    if refine not in REFINE:
      raise ValueError(f'Need {refine=} to be one of {REFINE}.')
    config = self._refine_config
    if refine_seconds is not None:
      if not refine_seconds >= 0:
        raise ValueError(f'Need {refine_seconds=} to be 0 or more.')
      config = dataclasses.replace(config, seconds=float(refine_seconds))
    if symmetrize is None:
      symmetrize = self._card.get('symmetrize', symmetric_positions.TOLERANCE)
    results = decoding.decode_latents(
      self._model,
      self._params,
      z,
      symmetrize=symmetrize,
      refine=refine,
      config=config,
      allowed=self._known,
      contents=contents_of(composition, num_atoms, len(z)),
    )
    crystals = [
      result.crystal if isinstance(result.crystal, Crystal) else None
      for result in results
    ]
    failures = {
      index: result.crystal
      for index, result in enumerate(results)
      if isinstance(result.crystal, str)
    }
    comparison = None
    if refine != 'none':
      comparison = (
        np.array([result.residual for result in results], np.float64),
        np.array([result.certain for result in results], bool),
      )
    self._last.set(failures, comparison, z, crystals)
    return crystals

  def reconstruct(
    self,
    crystals: Crystals,
    *,
    refine: str = 'auto',
    refine_seconds: float | None = None,
  ) -> list[Crystal | None]:
    """Encodes crystals and decodes their latents.

    Args:
      crystals: One crystal, or any number.
      refine: See `decode`.
      refine_seconds: See `decode`.

    Returns:
      `decode(encode(crystals))`; None where either fails, the reason in
      `failures`.
    """
    mean, _ = self._encode(crystals, skip=True)
    failures = self.failures
    decoded = self.decode(mean, refine=refine, refine_seconds=refine_seconds)
    # Reasons of crystals without a latent replace those of their decoding.
    self._last.failures = {**self._last.failures, **failures}
    return decoded

  def interpolate(
    self, a: Crystals, b: Crystals, steps: int = 9
  ) -> list[Crystal | None]:
    """Crystals along the straight line between two latents, ends included.

    Args:
      a: One crystal.
      b: Another.
      steps: Number of crystals, at least two.

    Raises:
      ValueError: If there are fewer steps, or an end cannot be encoded.
    """
    if steps < 2:
      raise ValueError(f'Need {steps=} to be at least 2, the two ends.')
    ends = [*adapters.to_crystals(a), *adapters.to_crystals(b)]
    if len(ends) != 2:
      raise ValueError(f'Need two crystals as ends, not {len(ends)}.')
    first, last = self._encode(ends, skip=False)[0]
    fraction = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return self.decode((1 - fraction) * first[None] + fraction * last[None])

  @property
  def failures(self) -> dict[int, str]:
    """Reason of each failure in this thread's last call, by input index."""
    return self._last.failures

  @property
  def residuals(self) -> Float[np.ndarray, 'B']:
    """Mean squared residuals of the latents in this thread's last decoding.

    The residual is (mean - z) / std, where mean and std are those of the
    decoded crystal's own posterior and z is the given latent. 0: the crystal
    encodes to exactly the given latent. About 1: the given latent is a sample
    of the crystal's posterior. NaN if no crystal was decoded, or if the codec
    cannot encode decoded crystals.
    """
    return self._comparison()[0]

  @property
  def certain(self) -> Bool[np.ndarray, 'B']:
    """Which crystals of this thread's last decoding can be trusted.

    A crystal is certain if its residual is nearly 0 after refinement, small
    without refinement, or that of a sample of the posterior.
    benchmarks/RESULTS.md has the share of certain crystals that are correct.
    False if no crystal was decoded.
    """
    return self._comparison()[1]

  def _latents(self, z: ArrayLike) -> Float[np.ndarray, 'B D']:
    """Latents as float32 rows; an error if they are of another size."""
    z = np.asarray(z, np.float32)
    z = z[None] if z.ndim == 1 else z
    if z.ndim != 2 or z.shape[1] != self.size:
      raise ValueError(f'Need latents [B, {self.size}], not {list(z.shape)}.')
    return z

  def _encode(self, crystals, *, skip):
    """Mean and log variance of the posterior, [B, D] each."""
    from crystal_jax.codec import encoding, unseen

    inputs = adapters.to_crystals(crystals)
    mean, log_var, failures = encoding.encode_crystals(
      self._model, self._params, inputs, self._known, skip=skip
    )
    encoded = [None if i in failures else c for i, c in enumerate(inputs)]
    warning = unseen.message(encoded, self._card)
    if warning:
      warnings.warn(warning, stacklevel=3)
    self._last.failures = failures
    return mean, log_var

  def _comparison(self) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the last decoding, and which crystals are certain.

    After a decoding with `refine='none'`, the first call encodes the crystals.
    """
    from crystal_jax.codec import refinement
    from crystal_jax.representation import Invertible

    last, model = self._last, self._model
    if last.comparison is None:
      if isinstance(model.representation, Invertible):
        encoder = refinement.Encoder(
          model.representation, model.networks, self._params
        )
        last.comparison = refinement.compare(
          encoder, last.z, last.crystals, self._refine_config
        )
      else:
        size = len(last.crystals)
        last.comparison = np.full(size, np.nan), np.zeros(size, bool)
    return last.comparison
