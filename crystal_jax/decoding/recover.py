"""The lattice of a repeating box of atoms, from the atoms alone.

A translation of the crystal carries every atom whose image stays inside the
box onto an atom of the same species. So every vector between two atoms of one
species is a candidate, and stays if it carries no atom onto nothing. Three
independent ones span a lattice; of the lattices that carry no atom onto
nothing, the one that most sites support is taken, and refined by least squares
over every pair that it relates.

What supports a direction is the number of *sites* that are seen twice along
it, not of pairs: one plane of atoms that falls on another is one coincidence,
however many atoms it has. The support of a lattice is that of its weakest
direction. A lattice is found if the support is enough and no part of the cell
stayed unseen that could hold an atom.

Limits: a vector longer than what the box shows twice can't be found; a
pseudo-translation whose flaw lies outside the box can't be told from a true
one. Atoms just outside the walls, where their weights are sound, count as
support, and never against a lattice.

Host NumPy, float64.
"""

import dataclasses
import itertools

import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax import lattice
from crystal_jax.decoding import pairing


@dataclasses.dataclass(frozen=True)
class LatticeFit:
  """A lattice, and how sure it is.

  Attributes:
    cell: Lattice vectors as rows, Å, Niggli-reduced, in the box's frame; NaN
      where no period shows at all.
    score: 0 to 1; a half and more is found.
    found: Whether to believe it.
    centre: If not None, the crystal also has the inversion x -> centre - x,
      which may show sites that the box does not.
  """

  cell: Float[np.ndarray, '3 3']
  score: float
  found: bool
  centre: Float[np.ndarray, '3'] | None = None


# (how far from its place an image may be, Å; how far its atomic number; the
# share of images that may be missing), from exact atoms to noisy ones.
RUNGS = (
  (0.005, 0, 0.0),
  (0.02, 0, 0.0),
  (0.08, 0, 0.0),
  (0.25, 0, 0.0),
  (0.08, 2, 0.1),
  (0.5, 0, 0.0),
  (0.25, 2, 0.1),
)
# Sites that must be seen twice along each direction of the lattice: fewer are
# enough where the images are exact.
SUPPORT = 3
# Independent translations, shortest first, that are tried three at a time, and
# lattices that are looked at closely.
TRIED, CLOSELY = 14, 25
# ... and the share of all sites that they must be.
WEAKEST = 0.15
# An unseen place this near to an atom can't hold another, Å; the share of the
# cell that may stay unseen.
EXCLUDED, UNSEEN = 1.5, 0.003
# Atoms a volume in the box, over those in the cell. Above one in the mean, as
# the walls are taken to be at the outermost atom.
CROWD = 0.85, 1.4
# Lengths, relative, that differ by less are made equal.
IDEAL = 1e-3


def find_lattice(atoms, density=None, sigma=None, prior=None) -> LatticeFit:
  del sigma, density
  best = (False, -1.0, None)
  for rung in RUNGS:
    points = pairing.Points.of(atoms, *rung)
    if points is None:
      break
    view, exact = _search(points, prior)
    if view is not None:
      best = max(best, (view.found, view.worth, view), key=lambda b: b[:2])
    if best[0] or exact:
      break
  view = best[2]
  if view is None:
    return LatticeFit(np.full((3, 3), np.nan), 0.0, False)
  cell = lattice.idealize(lattice.niggli_reduce(view.cell, 1e-3), IDEAL)
  return LatticeFit(cell, view.score, view.found, view.centre)


def _search(points, prior):
  """The best lattice at one tolerance; whether the atoms are exact at it."""
  start = _scarce(points)
  vectors, hits = points.operations(start=start)
  best = _best(points, vectors, None, prior)
  if best is not None and best.complete:
    reach = points.half - np.abs(points.places[start[0]]).max()
    if np.linalg.norm(lattice.niggli_reduce(best.cell,1e-3), axis=1).max() <= reach:
      return best, True
  vectors, hits = points.operations()
  exact = len(hits) > 0 and hits.max() >= 10
  best = _best(points, vectors, None, prior)
  if best is not None and best.found:
    return best, True
  centres, hits = points.operations(-1, most=60)
  centres = centres[hits >= 3]
  if len(centres):
    n = len(centres)
    i, j = np.triu_indices(n, 1)
    more = centres[j] - centres[i]
    more = more[np.linalg.norm(more, axis=1) >= pairing.SHORTEST]
    more = more[~points.refuted(more)] if len(more) else more
    vectors = np.concatenate([vectors, more])
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))]
    other = _best(points, vectors, centres[0], prior)
    if other is not None and (best is None or (other.found, other.worth) > (best.found, best.worth)):
      best = other
  return best, exact


def _scarce(points):
  """The atom nearest the middle of the species that is scarcest."""
  numbers = points.numbers[points.middle]
  values, counts = np.unique(numbers, return_counts=True)
  counts = np.where(counts > 3, counts, 999)
  few = numbers == values[np.argmin(counts)]
  return points.middle[few][:1]


@dataclasses.dataclass(frozen=True)
class View:
  """A lattice and what the box says for it."""
  cell: object
  centre: object
  support: int
  pairs: int
  count: int
  rms: float
  unseen: float
  crowd: float
  worth: float
  tolerance: float
  extra: object = None

  @property
  def complete(self):
    return self.support == self.count and self.pairs > 20 and self.found

  @property
  def score(self):
    support = self.support * SUPPORT / min(SUPPORT, self.count)
    whole = self.unseen <= UNSEEN and CROWD[0] <= self.crowd <= CROWD[1]
    whole = whole and support >= WEAKEST * self.count
    return float(whole * support / (support + SUPPORT))

  @property
  def found(self):
    return self.score >= 0.5


def _best(points, vectors, centre, prior):
  vectors = _irreducible(vectors)
  best, seen = None, []
  for triple in _triples(vectors, points):
    cell = vectors[list(triple)]
    if _known(cell, seen):
      continue
    seen.append(cell)
    if len(seen) > CLOSELY:
      break
    view = _view(points, cell, centre, prior)
    if view is None:
      continue
    if best is None or view.worth > best.worth:
      best = view
    if view.support == view.count and view.pairs > 20:
      break  # the shortest of those with nothing left to wish for
  return best


def _view(points, cell, centre, prior):
  fit = _refine(points, cell, centre)
  if fit is None:
    return None
  cell, centre, moves, turns, rms = fit
  sites = points.fold(cell)
  support, pairs, extra = _support(moves, turns, sites)
  count = int(sites.max()) + 1
  if centre is not None:
    count = _count(points, cell, centre)
  worth = support / count + 0.1 * min(1, pairs / 100)
  if prior is not None:
    worth -= _strangeness(cell, prior)
  crowd = points.inner / (2 * points.half) ** 3
  crowd = crowd * abs(np.linalg.det(cell)) / count
  unseen = points.unseen(lattice.niggli_reduce(cell,1e-3), EXCLUDED, centre)
  return View(cell, centre, support, pairs, count, rms, unseen, crowd, worth, points.tolerance, extra)


def _count(points, cell, centre):
  places = np.concatenate([points.places, centre - points.places])
  slack = np.tile(points.slack, 2)
  both = dataclasses.replace(points, places=places, slack=slack)
  return int(both.fold(cell).max()) + 1


def _refine(points, cell, centre):
  """Least squares over all pairs; None if an atom is carried onto nothing."""
  for _ in range(2):
    moves = points.pairs(cell)
    if moves is None:
      return None
    turns = None if centre is None else points.pairs(cell, centre)
    if turns is None: centre = None
    first, second, times = moves
    rows = np.c_[times, np.zeros(len(times))]
    apart = points.places[second] - points.places[first]
    if turns is not None:
      first, second, times = turns
      rows = np.concatenate([rows, np.c_[times, np.ones(len(times))]])
      apart = np.concatenate([apart, points.places[second] + points.places[first]])
    if len(rows) < 4:
      return None
    fit, _, rank, _ = np.linalg.lstsq(rows.astype(float), apart, rcond=None)
    if rank < (3 if centre is None else 4):
      return None
    cell = fit[:3]
    centre = None if centre is None else fit[3]
  rms = np.sqrt(np.mean(np.sum((apart - rows @ fit) ** 2, axis=1)))
  return cell, centre, moves, turns, rms


def _support(moves, turns, sites):
  senses = np.array(list(itertools.product((0, 1), repeat=3)))[1:]
  first, _, times = moves
  odd = (times @ senses.T) % 2 == 1
  each = []
  for k in range(7):
    o = odd[:, k]
    a, n = len(np.unique(sites[first[o]])), int(o.sum()) // 2
    b = (0, 0)
    if turns is not None:
      p = (turns[2] @ senses[k]) % 2 == 1
      b = tuple(len(np.unique(sites[turns[0][q]])) // 2 for q in (p, ~p))
      n += min(p.sum(), (~p).sum()) // 2
    each.append((max(a, min(b)), n, (a, b)))
  return min(each)


def _triples(vectors, points):
  """Independent triples, the shortest in all first.

  With two translations their sum and their difference are translations too.
  """
  n = len(vectors)
  if n < 3:
    return []
  sums = np.stack([vectors[:, None] + s * vectors[None] for s in (1, -1)])
  agree = ~points.refuted(sums.reshape(-1, 3)).reshape(2, n, n).any(axis=0)
  triples = np.array(list(itertools.combinations(range(n), 3)))
  a, b, c = triples.T
  length = np.linalg.norm(vectors, axis=1)[triples]
  flat = np.abs(np.linalg.det(vectors[triples])) < 0.1 * length.prod(axis=1)
  keep = agree[a, b] & agree[a, c] & agree[b, c] & ~flat
  order = np.argsort(length.sum(axis=1), kind='stable')
  return [tuple(triples[i]) for i in order if keep[i]]


def _irreducible(vectors):
  """The first that are not a sum or difference of two shorter ones."""
  kept = []
  for i, vector in enumerate(vectors):
    shorter = np.concatenate([vectors[:i], -vectors[:i]])
    apart = (vector - shorter)[:, None] - shorter[None]
    if not i or np.einsum('ijk,ijk->ij', apart, apart).min() > 0.15**2:
      kept.append(vector)
    if len(kept) == TRIED:
      break
  return np.array(kept).reshape(-1, 3)


def _known(cell, seen) -> bool:
  """Whether one of the lattices seen is the same."""
  if not seen:
    return False
  times = cell[None] @ np.linalg.inv(np.array(seen))
  whole = np.abs(times - np.rint(times)).max(axis=(1, 2)) < 0.1
  same = np.abs(np.abs(np.linalg.det(times)) - 1) < 0.1
  return bool((whole & same).any())


def _strangeness(cell, prior) -> float:
  """How far a cell is from a guess, in lengths and angles; 0 to 0.5."""
  shapes = []
  for each in (cell, np.asarray(prior, np.float64)):
    reduced = lattice.niggli_reduce(each, 1e-3)
    shapes.append(np.log(np.linalg.norm(reduced, axis=1)))
  return float(min(0.5, np.abs(shapes[0] - shapes[1]).max()))
