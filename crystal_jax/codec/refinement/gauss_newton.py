"""The places and the lattice whose latent is nearest to a given one.

Gauss-Newton: the encoder is smooth, and a crystal that networks have read is
off by a tenth of an atom's width, so a step or two reach what float32 knows.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.structure.crystal import Crystal

# As near as this is as near as float32 can tell.
_ENOUGH = 1e-8
# Changes of a crystal that its latent hardly shows, relative to those that it
# shows best, stay undone.
_BLIND = 1e-3
# Å an atom may go in a step, and how much a lattice may change.
_FARTHEST, _STRAIN = 0.3, 0.03
# Steps, and how much less the misfit has to be after one for the next to do
# with the changes of before.
_STEPS, _GOOD = 8, 0.3
# It ends where a step leaves this share of the misfit.
_SLOW = 0.8


@dataclasses.dataclass(frozen=True)
class Target:
  """What a crystal is to be found for.

  Attributes:
    z: The latent.
    deviation: Of the posterior, by which differences are weighed.
    lattice: Whether the lattice may change.
  """

  z: Float[np.ndarray, 'L']
  deviation: Float[np.ndarray, 'L']
  lattice: bool

  def apart(self, mean: Float[np.ndarray, '*B L']) -> Float[np.ndarray, '*B L']:
    """How far a latent is from it, in deviations."""
    return (mean - self.z) / self.deviation


def misfit(apart: Float[np.ndarray, '*B L']) -> Float[np.ndarray, '*B']:
  """Mean of the squares; infinite where they are not numbers.

  Near 1 of a crystal of which `z` is a sample, 0 of one of which it is the
  mean.
  """
  found = np.mean(np.square(apart, dtype=np.float64), axis=-1)
  return np.where(np.isfinite(found), found, np.inf)


def fit(
  encoder: Encoder, crystal: Crystal, target: Target, steps: int = _STEPS
) -> tuple[Crystal, float]:
  """The crystal with better places and lattice, and its misfit.

  Args:
    encoder: Whose latents.
    crystal: As it was read; without empty slots.
    target: What is to be reached.
    steps: Most of them.
  """
  apart = _apart(encoder, crystal, target)
  best, undo, share = float(misfit(apart)), None, 1.0
  for _ in range(steps):
    if best < _ENOUGH or not np.isfinite(best):
      break
    fresh = undo is None
    if fresh:
      moves = directions(crystal, target.lattice)
      undo = inverse(encoder.changes(crystal, moves) / target.deviation)
    step = -undo @ apart
    then = moved(crystal, share * np.tensordot(step, moves, 1))
    off = _apart(encoder, then, target)
    now = float(misfit(off))
    if now < best:
      if now > _GOOD * best:
        undo = None
      little = now > _SLOW * best
      crystal, apart, best, share = then, off, now, 1.0
      if little and fresh:
        break
    elif fresh or share < 1:
      share /= 3
      if share < 0.1:
        break
    else:
      undo = None
  return crystal, best


def _apart(encoder, crystal, target):
  return target.apart(encoder.latents([crystal])[0][0])


def inverse(changes: Float[np.ndarray, 'P L']) -> Float[np.ndarray, 'P L']:
  """How far to go in each direction for what a latent is to change by.

  The least squares of `changes.T`, in float64 as exact by the squares as by
  themselves, in a tenth of the time.
  """
  sizes, ways = np.linalg.eigh(changes @ changes.T)
  seen = sizes > _BLIND**2 * sizes[-1]
  ways = ways[:, seen]
  return ways / sizes[seen] @ (ways.T @ changes)


def directions(crystal: Crystal, lattice: bool) -> Float[np.ndarray, 'P M 3']:
  """In which its atoms, and its lattice if that may, can change."""
  size = len(crystal.numbers)
  moves = np.eye(3 * size).reshape(-1, size, 3)
  moves = np.pad(moves, ((0, 0), (0, 3), (0, 0)))
  if lattice:
    every = np.concatenate([crystal.positions, crystal.cell])
    strains = every @ np.eye(9).reshape(9, 3, 3)
    moves = np.concatenate([moves, strains])
  return moves


def moved(crystal: Crystal, move: Float[np.ndarray, 'M 3']) -> Crystal:
  """The crystal after a move, or a shorter one that is not too long."""
  size = len(crystal.numbers)
  strain = np.linalg.solve(np.asarray(crystal.cell, np.float64), move[size:])
  along = crystal.positions @ strain
  far = np.linalg.norm(move[:size] - along, axis=1).max() / _FARTHEST
  move = move / max(1.0, far, np.abs(strain).max() / _STRAIN)
  return Crystal(
    crystal.numbers, crystal.positions + move[:size], crystal.cell + move[size:]
  )
