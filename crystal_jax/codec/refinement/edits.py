"""Edits of crystals: atoms that are substituted, exchanged, removed or added.

Substitutions and removals are ranked by the gradient of the squared residual
by the atoms' element codes; additions by the occupancy that the networks decode
from the given latent and not from the crystal's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.codec.refinement.config import RefineConfig
from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.structure import contacts, elements
from crystal_jax.structure.crystal import Crystal


def substitutions_and_removals(
  crystal: Crystal,
  gradient: Float[np.ndarray, 'N C'],
  config: RefineConfig,
  allowed: Collection[int] | None,
) -> Iterator[tuple[Crystal, Int[np.ndarray, 'M']]]:
  """The likeliest crystals with one atom substituted, then with one removed.

  Args:
    crystal: Crystal without empty slots.
    gradient: Gradient of the squared residual by the atoms' element codes.
    config: Constants; the numbers of substitutions and removals.
    allowed: Atomic numbers that an atom may be substituted by; None: all.

  Yields:
    A crystal, and the indices in `crystal` of its atoms.
  """
  all_atoms = np.arange(len(crystal.numbers))
  for numbers in _substitutions(crystal, gradient, config, allowed):
    yield Crystal(numbers, crystal.positions, crystal.cell), all_atoms
  for kept in _removals(crystal, gradient, config):
    yield (
      Crystal(crystal.numbers[kept], crystal.positions[kept], crystal.cell),
      kept,
    )


def exchanges(
  crystal: Crystal,
  gradient: Float[np.ndarray, 'N C'],
  config: RefineConfig,
) -> Iterator[tuple[Crystal, Int[np.ndarray, 'M']]]:
  """The likeliest crystals with two neighbours of different elements exchanged.

  Where two atoms are nearly in one voxel, each may be read with the species of
  the other; then neither substitution alone lowers the residual.

  Args:
    crystal: Crystal without empty slots.
    gradient: Gradient of the squared residual by the atoms' element codes.
    config: Constants; the number of exchanges and the longest distance.

  Yields:
    A crystal, and the indices in `crystal` of its atoms.
  """
  numbers = np.asarray(crystal.numbers)
  distances = contacts.distance_matrix(
    np.asarray(crystal.positions), np.asarray(crystal.cell)
  )
  is_near = distances < config.exchange_distance
  first, second = np.nonzero(
    np.triu(is_near & (numbers[:, None] != numbers[None]))
  )
  if not len(first):
    return
  codes = elements.element_codes()[numbers]
  change = codes[second] - codes[first]
  gain = -np.sum((gradient[first] - gradient[second]) * change, axis=1)
  for pair in np.argsort(-gain)[: config.exchanges]:
    exchanged = numbers.copy()
    exchanged[first[pair]] = numbers[second[pair]]
    exchanged[second[pair]] = numbers[first[pair]]
    yield (
      Crystal(exchanged, crystal.positions, crystal.cell),
      np.arange(len(numbers)),
    )


def _substitutions(crystal, gradient, config, allowed):
  """Atomic numbers with one of them changed."""
  table = elements.element_codes()
  change = table[None] - table[crystal.numbers][:, None]
  length = np.linalg.norm(change, axis=-1)
  gain = -np.einsum('nc,nec->ne', gradient, change) / np.maximum(length, 1e-6)
  gain[:, 0] = -np.inf
  gain[length < 1e-6] = -np.inf
  if allowed is not None:
    gain[:, [z for z in range(len(table)) if z not in allowed]] = -np.inf
  for index in np.argsort(-gain, axis=None)[: config.substitutions]:
    atom, number = np.unravel_index(index, gain.shape)
    if gain[atom, number] == -np.inf:
      break
    numbers = np.array(crystal.numbers)
    numbers[atom] = number
    yield numbers


def _removals(crystal, gradient, config):
  """Indices of all atoms but one."""
  if len(crystal.numbers) < 2:
    return
  codes = elements.element_codes()[crystal.numbers]
  gain = np.sum(gradient * codes, axis=1) / np.linalg.norm(codes, axis=1)
  for atom in np.argsort(-gain)[: config.removals]:
    yield np.delete(np.arange(len(gain)), atom)


def additions(
  encoder: Encoder,
  crystal: Crystal,
  latents: Float[np.ndarray, '2 L'],
  config: RefineConfig,
) -> Iterator[Crystal]:
  """The likeliest crystals with one more atom, of an element it already has.

  Args:
    encoder: Encoder whose networks decode the occupancy.
    crystal: Crystal without empty slots.
    latents: The given latent, then the crystal's own.
    config: Constants; the number of positions and their shortest distance.
  """
  given, own = encoder.occupancy(latents)
  missing = given - own
  positions: list[np.ndarray] = []
  cell = np.asarray(crystal.cell)
  for index in np.argsort(-missing, axis=None)[: 64 * config.additions]:
    voxel = np.array(np.unravel_index(index, missing.shape))
    is_weak = missing[tuple(voxel)] < config.peak_occupancy
    if is_weak or len(positions) == config.additions:
      break
    position = encoder.representation.voxel_to_cartesian(voxel, cell)
    distances = [np.linalg.norm(position - other) for other in positions]
    if all(distance > config.peak_distance for distance in distances):
      positions.append(position)
  for position in positions:
    for number in np.unique(crystal.numbers):
      yield Crystal(
        np.append(crystal.numbers, number),
        np.concatenate([crystal.positions, position[None]]),
        crystal.cell,
      )
