"""What networks read off latents, made the best of: crystals a codec gives."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float

from crystal_jax.codec import batching
from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.codec.refinement.gauss_newton import Target, misfit
from crystal_jax.codec.refinement.refine import EXACT, explained, search
from crystal_jax.representation.symmetric_places import symmetrize_places
from crystal_jax.structure import validation
from crystal_jax.structure.crystal import Crystal

# A crystal whose misfit is less is not in doubt: in 400 crystals of mp_le20_val
# none of them was another one.
_NEAR = 0.3


def finish(
  encoder: Encoder,
  z: Float[np.ndarray, 'B L'],
  outputs: Mapping[str, Array],
  read: Sequence[Crystal | str],
  *,
  symmetrize: float,
  which: str,
) -> list[Crystal | str]:
  """Crystals that can be read again, better placed, those in doubt looked for.

  Args:
    encoder: Of the model.
    z: Latents.
    outputs: What the networks say of them, and maybe of more.
    read: Crystals that were read off that, or the reasons why there is nothing.
    symmetrize: Å; atoms go to the symmetric places that they have within this.
      Not those of a crystal whose own latent is exactly the given one. 0: none.
    which: Crystals are looked for: 'none', or 'auto', whose own latent is
      not near to the given one, or 'all', whose places are then what float32
      knows.

  Returns:
    Crystals, or the reasons why there is none.
  """
  crystals = [_tidy(crystal, symmetrize) for crystal in read]
  places = [i for i, c in enumerate(crystals) if isinstance(c, Crystal)]
  if which == 'none' or not places:
    return crystals
  latents = encoder.latents([crystals[i] for i in places], batching.SIZE)
  lattice = not encoder.representation.lattice_is_exact
  targets = {}
  for i, mean, deviation in zip(places, *latents, strict=True):
    target = Target(z[i], deviation, lattice)
    apart = target.apart(mean)
    sure = misfit(apart) < _NEAR or explained(apart)
    if np.isfinite(apart).all() and not (sure and which == 'auto'):
      targets[i] = target, misfit(apart)
  others = encoder.representation.candidates(outputs, [*targets])

  def looked_for(place, others):
    target, before = targets[place]
    try:
      found, after = search(encoder, [read[place], *others], target)
    except np.linalg.LinAlgError:  # Its latent hardly changes, or without end.
      return crystals[place]
    found = _tidy(found, symmetrize if after > EXACT else 0)
    better = isinstance(found, Crystal) and after < before
    return found if better else crystals[place]

  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = [*pool.map(looked_for, targets, others)]
  for place, crystal in zip(targets, found, strict=True):
    crystals[place] = crystal
  return crystals


def _tidy(crystal, symmetrize):
  """A crystal that can be read again, or why it cannot."""
  if isinstance(crystal, Crystal):
    crystal = validation.check_decoded(crystal)
  if symmetrize and isinstance(crystal, Crystal):
    crystal = symmetrize_places(crystal, symmetrize)
  return crystal
