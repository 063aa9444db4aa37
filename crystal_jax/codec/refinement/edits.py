"""Crystals that differ by one atom: of another element, away, or one more.

Which of them are worth a look the networks say: for what is there the gradient
of the misfit by the atoms' codes, for what is missing the places where more is
drawn of the latent than of the crystal's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal

# Of each kind of move the likeliest.
_EXCHANGED, _REMOVED, _PLACES = 24, 8, 4
# Å; two peaks nearer than this are one.
_APART = 0.7
# What is drawn of an atom is one high; less than this is no sign of one.
_LEAST = 0.15


def changed(
  encoder: Encoder, crystal: Crystal, force: Float[np.ndarray, 'L']
) -> Iterator[tuple[Crystal, Int[np.ndarray, 'M']]]:
  """The likeliest with one atom of another element, or without one.

  Args:
    encoder: Whose latents.
    crystal: Without empty slots.
    force: How the misfit grows with the latent.

  Yields:
    A crystal, and the places in the old one of its atoms.
  """
  pull = encoder.pull(crystal, force.astype(np.float32))
  every = np.arange(len(crystal.numbers))
  for numbers in _exchanged(crystal, pull):
    yield Crystal(numbers, crystal.positions, crystal.cell), every
  for kept in _removed(crystal, pull):
    yield (
      Crystal(crystal.numbers[kept], crystal.positions[kept], crystal.cell),
      kept,
    )


def _exchanged(crystal, pull):
  """With one atom of another element."""
  table = elements.element_codes()
  here = table[crystal.numbers]
  change = table[None] - here[:, None]
  length = np.linalg.norm(change, axis=-1)
  gain = -np.einsum('nc,nec->ne', pull, change) / np.maximum(length, 1e-6)
  gain[:, 0] = -np.inf
  gain[length < 1e-6] = -np.inf
  for place in np.argsort(-gain, axis=None)[:_EXCHANGED]:
    atom, number = np.unravel_index(place, gain.shape)
    numbers = np.array(crystal.numbers)
    numbers[atom] = number
    yield numbers


def _removed(crystal, pull):
  """Without one of its atoms."""
  if len(crystal.numbers) < 2:
    return
  here = elements.element_codes()[crystal.numbers]
  gain = np.sum(pull * here, axis=1) / np.linalg.norm(here, axis=1)
  for atom in np.argsort(-gain)[:_REMOVED]:
    yield np.delete(np.arange(len(gain)), atom)


def added(
  encoder: Encoder, crystal: Crystal, latents: Float[np.ndarray, '2 L']
) -> Iterator[Crystal]:
  """The likeliest with one atom more, of an element that it has.

  Args:
    encoder: Whose latents.
    crystal: Without empty slots.
    latents: The one that is given, and the crystal's own.
  """
  there, here = encoder.drawn(latents)
  missing = there - here
  found = []
  for place in np.argsort(-missing, axis=None)[: 64 * _PLACES]:
    voxel = np.array(np.unravel_index(place, missing.shape))
    if missing[tuple(voxel)] < _LEAST or len(found) == _PLACES:
      break
    position = encoder.representation.voxel_to_cartesian(voxel, crystal.cell)
    if all(np.linalg.norm(position - other) > _APART for other in found):
      found.append(position)
  for position in found:
    for number in np.unique(crystal.numbers):
      yield Crystal(
        np.append(crystal.numbers, number),
        np.concatenate([crystal.positions, position[None]]),
        crystal.cell,
      )
