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
from crystal_jax.structure.unimodular import (
  FIRST,
  SECOND,
  unimodular,
  with_pairs,
)

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
  species, coordinates, lattice = primitive.primitive_cell(
    np.asarray(numbers, np.int32),
    np.asarray(fractional, np.float64) % 1.0,
    np.asarray(cell, np.float64),
  )
  coordinates, lattice = _reduce(coordinates, lattice, niggli_tolerance)
  origins = primitive.rarest_atoms(species)
  bases = _similar(lattice)
  basis, origin = _highest(species, coordinates, bases, origins)
  # cartesian = fractional @ cell = (fractional @ M⁻¹) @ (M @ cell)
  inverse = unimodular().inverses[basis]
  chosen = (coordinates - coordinates[origin]) @ inverse
  # 0.9999999 and 0 are one coordinate.
  chosen = np.round(chosen, 7) % 1.0
  order = np.lexsort((*np.round(chosen, 4).T[::-1], -species))
  return species[order], chosen[order], unimodular().matrices[basis] @ lattice


def random_frame(
  rng: np.random.Generator,
  fractional: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, '3 3']]:
  """The same crystal with a random origin, in a random right-handed basis.

  The basis change is a uniformly random matrix of -1, 0 and 1.
  """
  table = unimodular()
  index = rng.integers(len(table.matrices))
  moved = (fractional + rng.random(3)) @ table.inverses[index]
  return moved % 1.0, table.matrices[index] @ cell


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


def similar_bases(
  cell: Float[np.ndarray, '3 3'],
) -> Float[np.ndarray, 'M 3 3']:
  """Matrices to bases of nearly the same metric, the identity among them."""
  return unimodular().matrices[_similar(cell)]


def _similar(cell) -> Int[np.ndarray, 'M']:
  """Indices of `similar_bases` in `unimodular`."""
  rows = unimodular().rows
  metric = cell @ cell.T
  squares = metric.diagonal()
  limits = 2 * METRIC * np.sqrt(squares[:, None] * squares)
  products = rows @ metric @ rows.T
  changes = np.abs(products.diagonal() - squares[:, None])
  same_length = changes < limits.diagonal()[:, None]
  changes = np.abs(products - metric[FIRST, SECOND, None, None])
  same = changes < limits[FIRST, SECOND, None, None]
  return with_pairs(
    same & same_length[FIRST, :, None] & same_length[SECOND, None]
  )


# Largest component of M⁻¹k: those of M⁻¹ and of k are at most 2.
_MAX_COMPONENT = 12


@functools.cache
def _codes() -> Int[np.ndarray, '3480 K']:
  """`_code` of M⁻¹k, for all of `unimodular` and all k of `_waves`."""
  return _code((unimodular().inverses @ _waves()[0].T).swapaxes(1, 2))


def _code(vectors):
  """One index for each integer vector up to `_MAX_COMPONENT`."""
  base = 2 * _MAX_COMPONENT + 1
  codes = (vectors + _MAX_COMPONENT) @ np.array([base**2, base, 1])
  return codes.astype(np.int16)


@functools.cache
def _vectors() -> Float[np.ndarray, '15625 3']:
  """The vector of each `_code`."""
  components = np.arange(-_MAX_COMPONENT, _MAX_COMPONENT + 1.0)
  return np.array(list(itertools.product(components, repeat=3)))


@functools.cache
def _waves() -> tuple[Float[np.ndarray, 'K 3'], np.ndarray]:
  """Wave vectors up to 2 and complex amplitudes without any symmetry."""
  k = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)), float)
  k = k[len(k) // 2 + 1 :]  # One of k and -k, without 0.
  phase = 0.7 * np.sin(k @ np.array([1.7, 2.3, 3.1]))
  size = np.exp(-(k**2 @ np.array([0.30, 0.33, 0.36])))
  return k, size * np.exp(1j * phase)


def _highest(numbers, fractional, bases, origins) -> tuple[int, int]:
  """The basis and the origin atom that score highest.

  The score of a basis M and an origin o is Re Σ_k A_k F(M⁻¹k) exp(2πi o·M⁻¹k),
  where F is the structure factor. Bases share most of their vectors M⁻¹k; each
  is evaluated once.
  """
  vectors, indices = _distinct(_codes()[bases])
  phases = 2 * np.pi * (fractional @ vectors.T)  # [N, U]
  waves = np.cos(phases) - 1j * np.sin(phases)
  factors = ((numbers + 20.0) / 50.0) @ waves
  terms = factors * waves[origins].conj()
  scores = (terms[:, indices] @ _waves()[1]).real.T  # [M, O]
  # The first of a tie, whichever is larger by rounding.
  best = np.argmax(scores > scores.max() - 1e-6 * np.abs(scores).max())
  basis, origin = divmod(int(best), len(origins))
  return int(bases[basis]), int(origins[origin])


def _distinct(codes):
  """The vectors of some codes, and the index of each code among them."""
  occurs = np.zeros(len(_vectors()), bool)
  occurs[codes] = True
  distinct = occurs.nonzero()[0]
  index = np.empty(len(occurs), int)
  index[distinct] = np.arange(len(distinct))
  return _vectors()[distinct], index[codes]
