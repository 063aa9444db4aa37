"""What a box of atoms says for a lattice.

A lattice is fitted by least squares to every pair of atoms that it relates.
What supports it is the number of *sites* seen twice along its weakest
direction, not of pairs: one plane of atoms that falls on another is one
coincidence, however many atoms it has.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.lattice_search import box_atoms

# A lattice has seven sublattices of index two; each leaves out the
# translations that are odd in one sense.
SENSES = np.array(list(itertools.product((0, 1), repeat=3)))[1:]
# All below were tuned on mp_le20_val.

# Sites that must support a lattice; where images are exact, a chance is so
# unlikely that fewer are enough, if nothing else speaks against it.
SUPPORT, EXACT_SUPPORT = 3, 2
# ... and the share of all sites that they must be.
WEAKEST = 0.15
# Images within this of their places are exact, Å.
EXACT = 0.002
# An unseen place this near to an atom can't hold another, Å; the share of the
# cell that may stay unseen.
EXCLUDED, UNSEEN = 1.5, 0.01
# Atoms per volume in the box, over those in the cell (`_crowding`). A lattice
# of little support is doubted below DENSE.
CROWD, DENSE = (0.8, 1.5), 0.89


@dataclasses.dataclass(frozen=True)
class Evidence:
  """A lattice, and what the box says for it.

  Attributes:
    cell: Lattice vectors as rows, Å, fitted.
    centre: Of the inversion x -> centre - x that helped to find it, or None.
    support: Sites seen twice along the weakest direction.
    pairs: Pairs of atoms that are related along that direction.
    count: Sites of the cell that were seen.
    crowd: Atoms a volume, in the box over in the cell.
    rms: How far images are from their places, Å.
    rival: Whether another lattice is as well supported.
  """

  cell: Float[np.ndarray, '3 3']
  centre: Float[np.ndarray, '3'] | None
  support: int
  pairs: int
  count: int
  crowd: float
  rms: float
  rival: bool = False

  @property
  def worth(self) -> float:
    """What lattices of one box are compared by."""
    return self.support / self.count + 0.1 * min(1, self.pairs / 100)

  @property
  def complete(self) -> bool:
    """Whether there is nothing left to wish for."""
    return self.support == self.count and self.pairs > 20

  def score(self, points: box_atoms.Points) -> float:
    """0 to 1; a half and more is to be believed."""
    needed = EXACT_SUPPORT if points.tolerance <= EXACT else SUPPORT
    needed += 2 * self.rival + (self.crowd < DENSE)
    fits = CROWD[0] <= self.crowd <= CROWD[1]
    fits = fits and self.support >= WEAKEST * self.count
    fits = fits and self.rms <= max(0.4 * points.tolerance, 0.05)
    if not fits or unseen(points, self.cell, self.centre) > UNSEEN:
      return 0.0
    # One or two atoms a cell can't be seen on three sites; they must all be.
    return self.support / (self.support + min(needed, self.count))


def weigh(points: box_atoms.Points, cell, centre=None) -> Evidence | None:
  """The evidence for a lattice; None if it carries an atom onto nothing.

  Args:
    points: The atoms.
    cell: Nearly the lattice.
    centre: Nearly that of an inversion. It is dropped where the lattice does
      not go with it.
  """
  fit = _refine(points, cell, centre)
  if fit is None:
    return None
  cell, centre, moves, turns, rms = fit
  sites = fold(points, cell)
  support, pairs = _support(moves, turns, sites)
  count = sites if centre is None else fold(points, cell, centre)
  count = int(count.max()) + 1
  crowd = _crowding(points, abs(np.linalg.det(cell)) / count)
  return Evidence(cell, centre, support, pairs, count, crowd, rms)


def _crowding(points: box_atoms.Points, volume: float) -> float:
  """Atoms per volume in the box, over those in a cell; about one if it is true.

  The plain count takes the walls to be at the outermost atom, which suits atoms
  in no order. Planes of atoms along the walls, as in crystals whose axes are
  those of the box, have half of their room outside such walls and look up to
  eight times too dense. Where the plain count is out of bounds, atoms are
  weighed by a window (1 + cos πu) / 2 along each axis, which falls to zero at
  the walls: for planes at any distance that goes twice into the box, the sum
  over planes is the integral over the window.

  Args:
    points: The atoms.
    volume: Volume per atom of the cell, Å³.
  """
  places = points.places[: points.inner]
  plain = points.inner * volume / (2 * np.abs(places).max()) ** 3
  if CROWD[0] <= plain <= CROWD[1]:
    return float(plain)
  window = 0.5 + 0.5 * np.cos(np.pi * places / points.half)
  return float(window.prod(axis=1).sum() * volume / points.half**3)


def _refine(points, cell, centre):
  """Least squares over all pairs; None if an atom is carried onto nothing."""
  for _ in range(2):
    moves = points.pairs(cell)
    if moves is None:
      return None
    turns = None if centre is None else points.pairs(cell, centre)
    first, second, times = moves
    rows = np.c_[times, np.zeros(len(times))]
    apart = points.places[second] - points.places[first]
    trust = points.trust(first, second)
    if turns is not None:
      first, second, times = turns
      rows = np.concatenate([rows, np.c_[times, np.ones(len(times))]])
      sums = points.places[second] + points.places[first]
      apart = np.concatenate([apart, sums])
      trust = np.concatenate([trust, points.trust(first, second)])
    if len(rows) < 4:
      return None
    weight = trust[:, None]
    fit, _, rank, _ = np.linalg.lstsq(rows * weight, apart * weight, rcond=None)
    if rank < (3 if turns is None else 4):
      return None
    cell, centre = fit[:3], None if turns is None else fit[3]
  rms = np.sqrt(np.mean(np.sum((apart - rows @ fit) ** 2, axis=1)))
  return cell, centre, moves, turns, float(rms)


def _support(moves, turns, sites) -> tuple[int, int]:
  """Sites seen twice along the weakest direction, and pairs along it.

  The fewest sites that an odd translation starts from say how well the
  lattice is established. Two inversions make a translation: an odd one, if
  one is odd and the other even. They see each site from both sides.
  """
  first, _, times = moves
  each = []
  for odd in (times @ SENSES.T % 2 == 1).T:
    each.append((len(np.unique(sites[first[odd]])), int(odd.sum()) // 2))
  if turns is not None:
    first, _, times = turns
    for k, odd in enumerate((times @ SENSES.T % 2 == 1).T):
      seen = [len(np.unique(sites[first[o]])) // 2 for o in (odd, ~odd)]
      pairs = min(odd.sum(), (~odd).sum()) // 2
      each[k] = (max(each[k][0], min(seen)), each[k][1] + int(pairs))
  return min(each)


def fold(points, cell, centre=None) -> Int[np.ndarray, 'N']:
  """Which site of the cell each atom (and its inverse) is an image of."""
  places, slack = points.places, points.slack
  if centre is not None:
    places = np.concatenate([places, centre - places])
    slack = np.concatenate([slack, slack])
  fractional = places @ np.linalg.inv(cell)
  sites = np.zeros(len(places), int)
  left, count = np.arange(len(places)), 0
  while left.size:
    i = left[0]
    apart = fractional[left] - fractional[i]
    apart = (apart - np.rint(apart)) @ cell
    within = 2 * points.tolerance + slack[left] + slack[i]
    here = np.einsum('ij,ij->i', apart, apart) <= within**2
    sites[left[here]] = count
    left = left[~here]
    count += 1
  return sites


def unseen(points, cell, centre=None) -> float:
  """The share of the cell that no part of the box shows.

  Places too near to an atom for another do not count.
  """
  beyond = box_atoms.BEYOND if len(points.places) > points.inner else 0
  seen = points.half + beyond
  if (np.abs(cell).sum(axis=0) <= 2 * seen).all():
    return 0.0
  n = 10
  grid = (np.stack(np.meshgrid(*[np.arange(n)] * 3), -1) + 0.5) / n
  left = grid.reshape(-1, 3) @ cell
  shifts = box_atoms.whole(cell, 2.8 * points.half) @ cell
  for chunk in np.array_split(shifts, len(shifts) // 32 + 1):
    images = left[:, None] + chunk[None]
    inside = (np.abs(images) <= seen).all(axis=-1).any(axis=1)
    if centre is not None:
      inside |= (np.abs(centre - images) <= seen).all(axis=-1).any(axis=1)
    left = left[~inside]
  if not len(left):
    return 0.0
  places = points.places
  if centre is not None:
    places = np.concatenate([places, centre - places])
  apart = (left[:, None] - places[None]) @ np.linalg.inv(cell)
  apart = (apart - np.rint(apart)) @ cell
  free = (np.linalg.norm(apart, axis=-1) > EXCLUDED).all(axis=1)
  return float(free.sum() / n**3)
