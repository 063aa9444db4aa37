"""The standard frame of a crystal: primitive cell, reduced basis, fixed origin.

A crystal has many descriptions: any supercell, any basis of its lattice, any
origin, any order of its atoms. `standard_frame` maps all of them to one, so
that a latent depends on the crystal alone:

- the primitive cell (spglib, within `primitive.SYMPREC`);
- its Niggli-reduced basis, right-handed. The metric of that cell is unique, the
  basis is not: a cube has 24. Every right-handed basis of nearly the same
  metric (`METRIC`) is a candidate;
- an origin on an atom of the species that has the fewest atoms (of several, the
  heaviest). All of its atoms are candidates;
- of all candidates, the one with the highest score in a fixed smooth function
  without symmetry. Candidates that tie are images of one another under the
  crystal's own symmetry, so that any of them gives the same frame;
- atoms in the order of species and coordinates.

Only proper changes of basis are made: mirror images have different frames. All
functions run on the host, in float64.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import spglib
from jaxtyping import ArrayLike, Float, Int

from crystal_jax.structure import primitive

# Largest difference of the metrics of two candidate bases, relative to their
# lengths; larger than the rounding of files.
METRIC = 0.01
# Tolerances of the Niggli reduction, Å². The first is wide, so that rounding of
# files does not change its result; the next ones are for cells on which it does
# not converge.
_NIGGLI = 1e-3, 1e-4, 1e-5, 1e-6


def standard_frame(
  numbers: Int[ArrayLike, 'N'],
  fractional: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'],
  *,
  niggli_tolerance: float = 0.0,
) -> tuple[
  Int[np.ndarray, 'M'], Float[np.ndarray, 'M 3'], Float[np.ndarray, '3 3']
]:
  """A crystal in its standard frame; see the module.

  Args:
    numbers: Atomic numbers, no empty slots.
    fractional: Fractional coordinates.
    cell: Lattice vectors as rows, Å.
    niggli_tolerance: Entries of the metric that differ by less than this, Å²,
      count as equal, so that a slightly strained cell has the basis of the
      unstrained one. 0: only rounding is tolerated.

  Returns:
    Numbers, fractional coordinates in [0, 1) and cell of the primitive cell,
    M <= N atoms. The orientation in space is kept.

  Raises:
    ValueError: If the cell cannot be reduced.
  """
  numbers = np.asarray(numbers, np.int32)
  fractional = np.asarray(fractional, np.float64) % 1.0
  cell = np.asarray(cell, np.float64)
  numbers, fractional, cell = primitive.primitive_cell(
    numbers, fractional, cell
  )
  fractional, cell = _reduce(fractional, cell, niggli_tolerance)
  origins = primitive.rarest_atoms(numbers)
  bases = similar_bases(cell)
  # cartesian = fractional @ cell = (fractional @ M⁻¹) @ (M @ cell)
  turned = fractional @ np.rint(np.linalg.inv(bases))  # [M, N, 3]
  basis, origin = _highest(numbers, turned, origins)
  chosen = turned[basis] - turned[basis, origin]
  # 0.9999999 and 0 are one coordinate.
  chosen = np.round(chosen, 7) % 1.0
  order = np.lexsort((*np.round(chosen, 4).T[::-1], -numbers))
  return numbers[order], chosen[order], bases[basis] @ cell


def random_frame(
  rng: np.random.Generator,
  fractional: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, '3 3']]:
  """The same crystal with a random origin, in a random right-handed basis.

  The basis change is a uniformly random matrix of -1, 0 and 1.
  """
  basis = _unimodular()[rng.integers(len(_unimodular()))]
  moved = (fractional + rng.random(3)) @ np.rint(np.linalg.inv(basis))
  return moved % 1.0, basis @ cell


def _reduce(fractional, cell, tolerance):
  """The Niggli-reduced basis, right-handed."""
  reduced = _niggli(cell, _NIGGLI)
  if reduced is None:
    raise ValueError(
      f'spglib finds no Niggli reduction of the cell {cell.tolist()}; check '
      'its lattice vectors.'
    )
  if tolerance:
    # From the exact basis, so that the result does not depend on the input's.
    tolerant = _niggli(reduced, (tolerance,))
    reduced = reduced if tolerant is None else tolerant
  if np.linalg.det(reduced) < 0:
    reduced = -reduced
  basis = np.rint(reduced @ np.linalg.inv(cell))
  return fractional @ np.linalg.inv(basis), basis @ cell


def _niggli(cell, tolerances):
  """The reduced cell at the first tolerance, Å², that converges, or None."""
  attempts = (
    primitive.quietly(spglib.niggli_reduce, cell, eps=eps) for eps in tolerances
  )
  return next((found for found in attempts if found is not None), None)


def similar_bases(cell) -> Float[np.ndarray, 'M 3 3']:
  """Matrices to bases of nearly the same metric, the identity among them."""
  metric = cell @ cell.T
  size = np.sqrt(np.diag(metric))
  matrices = _unimodular()
  metrics = matrices @ metric @ matrices.transpose(0, 2, 1)
  change = np.abs(metrics - metric) / np.outer(size, size)
  return matrices[change.max(axis=(1, 2)) < 2 * METRIC]


@functools.cache
def _unimodular() -> Float[np.ndarray, '3480 3 3']:
  """Matrices of -1, 0 and 1 of determinant 1."""
  matrices = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=9)))
  matrices = matrices.reshape(-1, 3, 3)
  return matrices[np.rint(np.linalg.det(matrices)) == 1]


@functools.cache
def _waves() -> tuple[Float[np.ndarray, 'K 3'], np.ndarray]:
  """Wave vectors up to 2 and complex amplitudes without any symmetry."""
  k = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)), float)
  k = k[len(k) // 2 + 1 :]  # One of k and -k, without 0.
  phase = 0.7 * np.sin(k @ np.array([1.7, 2.3, 3.1]))
  size = np.exp(-(k**2 @ np.array([0.30, 0.33, 0.36])))
  return k, size * np.exp(1j * phase)


def _highest(numbers, turned, origins) -> tuple[int, int]:
  """The basis and the origin atom that score highest."""
  k, amplitudes = _waves()
  phases = 2 * np.pi * (turned @ k.T)  # [M, N, K]
  waves = np.cos(phases) - 1j * np.sin(phases)
  weights = (numbers + 20.0) / 50.0
  factors = amplitudes * np.einsum('n,mnk->mk', weights, waves)
  scores = np.einsum('mk,mok->mo', factors, waves[:, origins].conj()).real
  # The first of a tie, whichever is larger by rounding.
  best = np.argmax(scores > scores.max() - 1e-6 * np.abs(scores).max())
  basis, origin = np.unravel_index(best, scores.shape)
  return int(basis), int(origins[origin])
