"""From what was read off a latent to the crystal whose latent it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.codec.refinement.edits import added, changed
from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.codec.refinement.gauss_newton import (
  Target,
  directions,
  fit,
  inverse,
  misfit,
  moved,
)
from crystal_jax.structure.crystal import Crystal

# The misfit of a crystal of which the latent is the mean.
EXACT = 0.01
# Of a sample it is 1, and the median of the squares is that of a normal
# deviate. What differs by an atom has most of its misfit in few numbers.
_SAMPLE, _MEDIAN, _EVEN = (0.75, 1.25), 0.4549, 1.25
# Of all that a latent may mean, so many are fitted.
_STARTS = 3
# Atoms that may be changed, and crystals that go through the networks together.
_ROUNDS, _TOGETHER = 6, 32
# Of those with another element or an atom less, how many are looked at twice;
# of those with an atom more, how many are fitted, and in how few steps.
_AGAIN, _FITTED, _STEPS = 8, 2, 3
# An atom more is only looked for if the misfit stays more than this share.
_LEFT = 0.5
# Of the sum of squares, how much less it has to be with another atom, and what
# share of it.
_LESS, _SHARE = 20.0, 0.05


def explained(apart: Float[np.ndarray, 'L']) -> bool:
  """Whether what a latent is off by leaves nothing to look for."""
  found = misfit(apart)
  if found < EXACT:
    return True
  even = found < _EVEN * np.median(np.square(apart)) / _MEDIAN
  return bool(even and _SAMPLE[0] < found < _SAMPLE[1])


def search(
  encoder: Encoder, starts: Sequence[Crystal], target: Target
) -> tuple[Crystal, float]:
  """The crystal near to some whose latent is nearest to a given one.

  Places and lattice are fitted, then atoms exchanged, removed and added as long
  as that explains more.

  Args:
    encoder: Whose latents.
    starts: As they were read off the latent, at least one; without empty slots.
    target: What is to be reached.

  Returns:
    The crystal, and its misfit (`fit.misfit`).
  """
  crystal, best = _nearest(encoder, starts, target)
  for _ in range(_ROUNDS):
    mean = encoder.latents([crystal])[0][0]
    if not np.isfinite(best) or explained(target.apart(mean)):
      break
    found, less = _changed(encoder, crystal, target, mean)
    if less > _LEFT * best:
      found, less = min(
        [(found, less), *_added(encoder, crystal, target, mean)], key=_misfit
      )
    if best - less < max(_LESS / len(target.z), _SHARE * best):
      break
    crystal, best = fit(encoder, found, target)
  return crystal, best


def _nearest(encoder, starts, target):
  """The best of the likeliest starts, fitted; the first that explains all."""
  apart = target.apart(encoder.latents(starts)[0])
  fits = []
  for place in np.argsort(misfit(apart))[:_STARTS]:
    found, left = fit(encoder, starts[place], target)
    if explained(target.apart(encoder.latents([found])[0][0])):
      return found, left
    fits.append((found, left))
  return min(fits, key=_misfit)


def _misfit(pair):
  return pair[1]


def _changed(encoder, crystal, target, mean):
  """The best with an atom of another element or without one, and its misfit.

  Its other atoms move as those of the crystal would.
  """
  moves = directions(crystal, target.lattice)
  changes = encoder.changes(crystal, moves) / target.deviation
  undo = inverse(changes)
  force = target.apart(mean) / target.deviation
  some = [*changed(encoder, crystal, force)]
  for number in (_AGAIN, 1):
    apart = target.apart(encoder.latents([c for c, _ in some], _TOGETHER)[0])
    steps = -apart @ undo.T
    left = misfit(apart + steps @ changes)
    some = [
      (_stepped(*some[i], np.tensordot(steps[i], moves, 1)), some[i][1])
      for i in np.argsort(left)[:number]
    ]
  (found, _) = some[0]
  apart = target.apart(encoder.latents([found])[0][0])
  return found, float(misfit(apart))


def _stepped(crystal, kept, move):
  """A crystal after the move of another one, of which it kept some atoms."""
  size = len(move) - 3
  return moved(crystal, move[np.append(kept, size + np.arange(3))])


def _added(encoder, crystal, target, mean):
  """The best with an atom more, and their misfits."""
  latents = np.stack([target.z, mean]).astype(np.float32)
  some = [*added(encoder, crystal, latents)]
  if not some:
    return []
  apart = target.apart(encoder.latents(some, _TOGETHER)[0])
  best = np.argsort(misfit(apart))[:_FITTED]
  return [fit(encoder, some[i], target, _STEPS) for i in best]
