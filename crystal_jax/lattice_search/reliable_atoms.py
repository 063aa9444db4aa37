"""Atoms of a decoded box that the lattice search relies on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.lattice_search.config import SEARCH


class ReliableAtoms(NamedTuple):
  """Atoms of a box to rely on: those inside the walls, then those just outside.

  Attributes:
    positions: Positions, Å.
    numbers: Atomic numbers.
    weights: Weights; near the atomic numbers if the species are right.
    num_inside: Number of atoms inside the walls.
    half_length: Distance of the walls from the origin, Å.
  """

  positions: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  weights: Float[np.ndarray, 'N']
  num_inside: int
  half_length: float


def reliable_atoms(atoms) -> ReliableAtoms:
  """The reliable atoms of a decoded box.

  Args:
    atoms: A `DecodedAtoms` of one density.

  Raises:
    ValueError: If the atoms are those of a batch.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  if inside.ndim != 1:
    raise ValueError(
      f'These are the atoms of a batch of {len(inside)} densities; pass them '
      'one at a time: jax.tree.map(lambda x: x[i], atoms).'
    )
  positions = np.asarray(atoms.positions, np.float64)
  numbers = np.asarray(atoms.numbers)
  weights = np.asarray(atoms.weights, np.float64)
  half_length = float(np.abs(positions[inside]).max(initial=0.0))
  if inside.any() and atoms.length is not None:
    half_length = max(half_length, atoms.length / 2 - SEARCH.wall_margin)
  outside = np.asarray(atoms.mask) & ~inside
  outside &= (
    np.abs(positions).max(axis=1) <= half_length + SEARCH.outside_distance
  )
  outside &= np.abs(weights - numbers) < SEARCH.outside_weight_tolerance
  outside &= numbers > SEARCH.max_unreliable_number
  order = np.r_[np.nonzero(inside)[0], np.nonzero(outside)[0]]
  return ReliableAtoms(
    positions[order],
    numbers[order],
    weights[order],
    int(inside.sum()),
    half_length,
  )
