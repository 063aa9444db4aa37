"""The lattice of a repeating box of atoms, from the atoms alone.

A translation of the crystal carries every atom whose image stays inside the
box onto an atom of the same species. So: every vector between two atoms of one
species is a candidate; it stays if it carries no atom onto nothing; the
shortest three that are independent, and that together still carry no atom onto
nothing, span the cell; least squares over every pair they relate refines it.

What a box can't show, it can't tell: a lattice is *found* only if enough pairs
support each of its directions and the box, folded into the cell, covers it.

Host NumPy, float64.
"""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float

from crystal_jax import lattice


@dataclasses.dataclass(frozen=True)
class LatticeFit:
  """A lattice, and how sure it is.

  Attributes:
    cell: Lattice vectors as rows, Å, Niggli-reduced, in the box's frame; NaN
      where nothing was found at all.
    score: 0 to 1.
    found: Whether to believe it.
  """

  cell: Float[np.ndarray, '3 3']
  score: float
  found: bool


# No lattice vector is shorter, Å.
SHORTEST = 1.8
# How far from its place an image may be, Å.
TOLERANCE = 0.1
# Pairs that must support each direction of the lattice.
SUPPORT = 4


def find_lattice(atoms, density=None, sigma=None, prior=None) -> LatticeFit:
  """The lattice of the atoms decoded from a repeating box.

  Args:
    atoms: What `decode_density` found in a box.
    density: The density [G, G, G] that the atoms were found in, if at hand.
    sigma: Width of an atom, Å.
    prior: A cell [3, 3] to try first, as a network's head guesses it (any
      orientation).

  Returns:
    The fit; `found` is False where the box does not show a period.
  """
  del density, sigma, prior
  mask = np.asarray(atoms.mask) & np.asarray(atoms.inside)
  places = np.asarray(atoms.positions, np.float64)[mask]
  numbers = np.asarray(atoms.numbers)[mask]
  nothing = LatticeFit(np.full((3, 3), np.nan), 0.0, False)
  if len(places) < 4:
    return nothing
  box = _Box(places, numbers, TOLERANCE)
  vectors = box.translations()
  for triple in _triples(vectors):
    cell = vectors[list(triple)]
    pairs = box.pairs(cell)
    if pairs is None:
      continue
    for _ in range(2):
      first, second, times = pairs
      if len(first) < 6:
        break
      cell = np.linalg.lstsq(
        times.astype(float), places[second] - places[first], rcond=None
      )[0]
      pairs = box.pairs(cell)
      if pairs is None:
        break
    if pairs is None:
      continue
    op = lattice.niggli_operation(cell, 1e-3)
    times = np.rint(pairs[2] @ np.linalg.inv(op)).astype(int)
    support = _support(times)
    covered = box.coverage(op @ cell)
    score = covered * support / (support + SUPPORT)
    return LatticeFit(
      op @ cell, float(score), bool(support >= SUPPORT and covered > 0.98)
    )
  return nothing


class _Box:
  """Atoms in a cube, and a map that answers which atom is at a place."""

  def __init__(self, places, numbers, tolerance):
    self.places, self.numbers = places, numbers
    self.tolerance = tolerance
    self.half = np.abs(places).max()
    self.step = tolerance / 2
    self.edge = self.half + 4 * tolerance
    size = int(np.ceil(2 * self.edge / self.step))
    self.map = np.full((size,) * 3, -1, np.int32)
    reach = np.arange(-3, 4)
    ball = np.stack(np.meshgrid(reach, reach, reach), -1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) <= 3]
    index = self._index(places)[:, None] + ball[None]
    owner = np.broadcast_to(np.arange(len(places))[:, None], index.shape[:2])
    self.map[tuple(index.reshape(-1, 3).T)] = owner.reshape(-1)

  def _index(self, places):
    return ((places + self.edge) / self.step).astype(int)

  def look(self, places, numbers):
    """Which atom is there (-1: none of that species), and if it must be."""
    inside = np.abs(places).max(axis=-1) <= self.half - 0.5 * self.tolerance
    near = np.clip(places, -self.half, self.half)
    owner = self.map[tuple(np.moveaxis(self._index(near), -1, 0))]
    apart = np.linalg.norm(self.places[owner] - places, axis=-1)
    same = self.numbers[owner] == numbers
    hit = (owner >= 0) & same & (apart <= self.tolerance)
    return np.where(hit, owner, -1), inside

  def translations(self):
    """Vectors that carry no atom onto nothing, shortest first."""
    order = np.argsort(self.numbers, kind='stable')
    places, numbers = self.places[order], self.numbers[order]
    first, second = np.nonzero(numbers[:, None] == numbers[None, :])
    vectors = places[second] - places[first]
    length = np.linalg.norm(vectors, axis=1)
    # One of each opposite pair.
    up = vectors @ np.array([1.0, 1e-3, 1e-6]) > 0
    keep = up & (length >= SHORTEST)
    vectors = vectors[keep]
    rounded = np.rint(vectors / self.tolerance).astype(int)
    _, index = np.unique(rounded, axis=0, return_index=True)
    vectors = vectors[index]
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))]
    found = []
    for chunk in np.array_split(vectors, max(1, len(vectors) // 512)):
      images = self.places[None] + chunk[:, None]
      owner, inside = self.look(images, self.numbers[None])
      misses = np.sum(inside & (owner < 0), axis=1)
      hits = np.sum(owner >= 0, axis=1)
      for i in np.nonzero((misses == 0) & (hits >= 3))[0]:
        hit = owner[i] >= 0
        better = np.mean(self.places[owner[i][hit]] - self.places[hit], axis=0)
        if not any(np.linalg.norm(better - f) < self.tolerance for f in found):
          found.append(better)
    return np.array(found[:60]).reshape(-1, 3)

  def pairs(self, cell):
    """Every pair of atoms that the lattice relates; None if one is missing."""
    reach = 2 * np.sqrt(3) * self.half
    limit = np.ceil(reach * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(
      int
    )
    limit = np.minimum(limit, 12)
    ranges = [np.arange(-n, n + 1) for n in limit]
    times = np.stack(np.meshgrid(*ranges, indexing='ij'), -1).reshape(-1, 3)
    shift = times @ cell
    near = (np.abs(shift).max(axis=1) <= 2 * self.half) & times.any(axis=1)
    times, shift = times[near], shift[near]
    images = self.places[None] + shift[:, None]
    owner, inside = self.look(images, self.numbers[None])
    if np.any(inside & (owner < 0)):
      return None
    t, first = np.nonzero(owner >= 0)
    return first, owner[t, first], times[t]

  def coverage(self, cell):
    """The share of the cell that some image of the box covers."""
    n = 8
    grid = (np.stack(np.meshgrid(*[np.arange(n)] * 3), -1) + 0.5) / n
    points = grid.reshape(-1, 3) @ cell
    reach = np.sqrt(3) * self.half
    inverse = np.linalg.inv(cell)
    limit = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int) + 1
    ranges = [np.arange(-k, k + 1) for k in np.minimum(limit, 8)]
    times = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
    images = points[:, None] + (times @ cell)[None]
    inside = np.abs(images).max(axis=-1) <= self.half
    return float(np.mean(inside.any(axis=1)))


def _triples(vectors):
  """Independent triples, the shortest in all first."""
  n = min(len(vectors), 16)
  length = np.linalg.norm(vectors, axis=1)
  triples = []
  for triple in itertools.combinations(range(n), 3):
    cell = vectors[list(triple)]
    size = np.prod(length[list(triple)])
    if abs(np.linalg.det(cell)) > 0.1 * size:
      triples.append((length[list(triple)].sum(), triple))
  return [t for _, t in sorted(triples)]


def _support(times):
  """Pairs that would be lost with the weakest half of the lattice left out.

  A lattice has seven sublattices of index two; each leaves out the
  translations that are odd in one sense. The fewest pairs that any of them
  leaves out say how well the lattice is established.
  """
  senses = np.array(list(itertools.product((0, 1), repeat=3)))[1:]
  odd = (times @ senses.T) % 2 == 1
  return int(odd.sum(axis=0).min()) // 2
