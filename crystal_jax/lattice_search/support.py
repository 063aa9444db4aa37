"""How well the atoms of a box support a lattice.

A lattice is fitted by least squares to every pair of atoms that it relates.
Its support is the number of *sites* seen twice along its weakest direction, not
of pairs: one plane of atoms that falls on another is one coincidence, however
many atoms it has.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.lattice_search import box_atoms
from crystal_jax.lattice_search.box_coverage import crowding_of, unseen_share
from crystal_jax.lattice_search.config import SEARCH
from crystal_jax.lattice_search.least_squares import fit_lattice
from crystal_jax.structure.validation import MIN_DISTANCE

# A lattice has seven sublattices of index two; each leaves out the translations
# with an odd step along one of these combinations of axes.
_PARITIES = np.array(list(itertools.product((0, 1), repeat=3)))[1:]


@dataclasses.dataclass(frozen=True)
class Support:
  """A lattice, and how well the atoms of a box support it.

  Attributes:
    cell: Lattice vectors as rows, Å, fitted.
    centre: Centre of the inversion x -> centre - x that helped to find it, or
      None.
    sites: Sites seen twice along the weakest direction.
    pairs: Pairs of atoms related along that direction.
    count: Sites of the cell that were seen.
    crowding: Atoms per volume, in the box over in the cell.
    rms: Distance of images from their atoms, Å.
    rival: Whether another lattice is as well supported.
  """

  cell: Float[np.ndarray, '3 3']
  centre: Float[np.ndarray, '3'] | None
  sites: int
  pairs: int
  count: int
  crowding: float
  rms: float
  rival: bool = False

  @property
  def rank(self) -> float:
    """The number by which lattices of one box are compared."""
    return self.sites / self.count + 0.1 * min(1, self.pairs / 100)

  @property
  def is_complete(self) -> bool:
    """Whether every site supports the lattice, many times over."""
    return self.sites == self.count and self.pairs > 20

  def score(self, box: box_atoms.BoxAtoms, has_density: bool = False) -> float:
    """From 0 to 1; the lattice is found at a half and more.

    Args:
      box: The atoms of the box.
      has_density: Whether the crystal has the density of the box. If atoms are
        exact, it is then as dense as the box, and rivals do not count.
    """
    exact = box.tolerance <= SEARCH.exact_tolerance
    needed = SEARCH.min_exact_sites if exact else SEARCH.min_sites
    holds = True
    if not (exact and has_density):
      needed += 2 * self.rival + (self.crowding < SEARCH.sparse_crowding)
      low, high = SEARCH.crowding_bounds
      holds = low <= self.crowding <= high
    holds = holds and self.sites >= SEARCH.min_site_share * self.count
    holds = holds and self.rms <= max(0.4 * box.tolerance, 0.05)
    if (
      not holds
      or unseen_share(box, self.cell, self.centre) > SEARCH.max_unseen_share
    ):
      return 0.0
    # One or two atoms a cell can't be seen on three sites; all must be.
    return self.sites / (self.sites + min(needed, self.count))


def measure(
  box: box_atoms.BoxAtoms,
  cell: Float[np.ndarray, '3 3'],
  centre: Float[np.ndarray, '3'] | None = None,
) -> Support | None:
  """The support of a lattice; None if an image has no atom.

  Args:
    box: The atoms of the box.
    cell: The lattice, nearly.
    centre: The centre of an inversion, nearly. It is dropped where the lattice
      does not agree with it.
  """
  fit = fit_lattice(box, cell, centre)
  if fit is None:
    return None
  cell, centre, translations, inversions, rms = fit
  folded = fold(box, cell)
  if box.tolerance <= SEARCH.exact_tolerance and (
    _is_shifted(box, cell, translations) or _touches(box, cell, folded)
  ):
    return None
  sites, pairs = _weakest(translations, inversions, folded)
  all_sites = folded if centre is None else fold(box, cell, centre)
  count = int(all_sites.max()) + 1
  crowding = crowding_of(box, abs(np.linalg.det(cell)) / count)
  return Support(cell, centre, sites, pairs, count, crowding, rms)


def _is_shifted(box, cell, translations) -> bool:
  """Whether most images along a direction miss their atoms.

  The errors of exact atoms are those of a few light ones and of those near
  walls; a pseudo-translation misses by about the same for all.
  """
  first, second, steps = translations
  residuals = box.positions[second] - box.positions[first] - steps @ cell
  errors = np.linalg.norm(residuals, axis=1) * box.inverse_error(first, second)
  odd = steps @ _PARITIES.T % 2 == 1
  return any(
    np.median(errors[each]) > SEARCH.max_shift for each in odd.T if each.any()
  )


def _touches(box, cell, folded) -> bool:
  """Whether two sites are too near for two atoms, and too far for one.

  A true lattice has one site there, and a stray atom near a wall at most.
  """
  # The most exact atom of each site, the sites in order.
  order = np.lexsort((box.errors, folded))
  best = order[np.unique(folded[order], return_index=True)[1]]
  i, j = np.triu_indices(len(best), 1)
  i, j = best[i], best[j]
  offset = (box.positions[i] - box.positions[j]) @ np.linalg.inv(cell)
  distance = np.linalg.norm((offset - np.rint(offset)) @ cell, axis=1)
  within = 2 * box.tolerance + box.errors[i] + box.errors[j]
  return bool(
    np.any(
      (distance > SEARCH.min_stray_ratio * within) & (distance < MIN_DISTANCE)
    )
  )


def _weakest(translations, inversions, folded) -> tuple[int, int]:
  """Sites seen twice along the weakest direction, and pairs along it.

  The fewest sites that an odd translation starts from say how well the lattice
  is established. Two inversions make a translation: an odd one, if one is odd
  and the other even. They see each site from both sides.
  """
  first, _, steps = translations
  each = []
  for odd in (steps @ _PARITIES.T % 2 == 1).T:
    each.append((len(np.unique(folded[first[odd]])), int(odd.sum()) // 2))
  if inversions is not None:
    first, _, steps = inversions
    for k, odd in enumerate((steps @ _PARITIES.T % 2 == 1).T):
      seen = [len(np.unique(folded[first[o]])) // 2 for o in (odd, ~odd)]
      pairs = min(odd.sum(), (~odd).sum()) // 2
      each[k] = (max(each[k][0], min(seen)), each[k][1] + int(pairs))
  return min(each)


def fold(
  box: box_atoms.BoxAtoms,
  cell: Float[np.ndarray, '3 3'],
  centre: Float[np.ndarray, '3'] | None = None,
) -> Int[np.ndarray, 'N']:
  """The index of the site that each atom (and its inverse) is an image of."""
  positions, errors = box.positions, box.errors
  if centre is not None:
    positions = np.concatenate([positions, centre - positions])
    errors = np.concatenate([errors, errors])
  fractional = positions @ np.linalg.inv(cell)
  sites = np.zeros(len(positions), int)
  remaining, count = np.arange(len(positions)), 0
  while remaining.size:
    i = remaining[0]
    offset = fractional[remaining] - fractional[i]
    offset = (offset - np.rint(offset)) @ cell
    within = 2 * box.tolerance + errors[remaining] + errors[i]
    same = np.einsum('ij,ij->i', offset, offset) <= within**2
    sites[remaining[same]] = count
    remaining = remaining[~same]
    count += 1
  return sites
