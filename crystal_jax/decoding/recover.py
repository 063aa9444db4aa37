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
  """

  cell: Float[np.ndarray, '3 3']
  score: float
  found: bool


# How far from its place an image may be, Å; wider where nothing fits.
TOLERANCES = (0.08, 0.25, 0.5)
# Sites that must be seen twice along each direction of the lattice.
SUPPORT = 3
# Independent translations, shortest first, that are tried three at a time.
TRIED = 14
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


def find_lattice(
  atoms,
  density: Float[ArrayLike, 'G G G'] | None = None,
  sigma: float | None = None,
  prior: Float[ArrayLike, '3 3'] | None = None,
) -> LatticeFit:
  """The lattice of the atoms decoded from a repeating box.

  Args:
    atoms: What `decode_density` found in a box.
    density: The density that the atoms were found in; with it, a lattice must
      also carry the density onto itself.
    sigma: Width of an atom in it, Å; unused by the search itself.
    prior: A cell as a network's head guesses it, in any orientation. It
      decides between lattices that the box supports about equally.

  Returns:
    The fit; `found` is False where the box does not show a period.
  """
  del sigma
  fits = []
  for tolerance in TOLERANCES:
    points = pairing.Points.of(atoms, tolerance)
    found = None if points is None else _search(points, density, prior)
    if found is None:
      continue
    fit, worth, rms = found
    fits.append((fit.found, worth, fit))
    # Images that hardly fit the tolerance say that it is too small.
    if rms < tolerance / 5:
      break
  if not fits:
    return LatticeFit(np.full((3, 3), np.nan), 0.0, False)
  return max(fits, key=lambda f: f[:2])[2]


def _search(points, density, prior):
  """The best lattice at one tolerance, its worth, and the RMS of its pairs."""
  vectors = _irreducible(points.translations())
  candidates = []
  seen = []
  for triple in _triples(vectors, points):
    cell = vectors[list(triple)]
    if _known(cell, seen):
      continue
    seen.append(cell)
    fit = _refine(points, cell)
    if fit is None:
      continue
    cell, first, second, times, rms = fit
    sites = points.fold(cell)
    support, pairs = _support(times, sites[first])
    count = int(sites.max()) + 1
    worth = support / count + 0.1 * min(1, pairs / 100)
    if prior is not None:
      worth -= _strangeness(cell, prior)
    candidates.append((worth, support, count, cell, rms))
    if support == count and pairs > 20:
      break  # the shortest of those with nothing left to wish for
  if not candidates:
    return None
  worth, support, count, cell, rms = max(candidates, key=lambda c: c[0])
  # One or two atoms a cell can't be seen on three sites; they must all be.
  support = support * SUPPORT / min(SUPPORT, count)
  if density is not None and not _carries(density, points, cell):
    support = 0.0
  whole = points.unseen(cell, EXCLUDED) <= UNSEEN
  # The cell has to hold as many atoms for its volume as the box does.
  crowd = points.inner / (2 * points.half) ** 3
  crowd = crowd * abs(np.linalg.det(cell)) / count
  whole = whole and CROWD[0] <= crowd <= CROWD[1]
  cell = lattice.idealize(lattice.niggli_reduce(cell, 1e-3), IDEAL)
  whole = whole and support >= WEAKEST * count
  score = float(whole * support / (support + SUPPORT))
  return LatticeFit(cell, score, score >= 0.5), worth, rms


def _refine(points, cell):
  """Least squares over all pairs; None if an atom is carried onto nothing."""
  for _ in range(2):
    pairs = points.pairs(cell)
    if pairs is None or len(pairs[0]) < 4:
      return None
    first, second, times = pairs
    apart = points.places[second] - points.places[first]
    cell, _, rank, _ = np.linalg.lstsq(times.astype(float), apart, rcond=None)
    if rank < 3:
      return None
  rms = np.sqrt(np.mean(np.sum((apart - times @ cell) ** 2, axis=1)))
  return cell, first, second, times, rms


def _triples(vectors, points):
  """Independent triples, the shortest in all first.

  With two translations their sum and their difference are translations too.
  """
  n = len(vectors)
  if n < 3:
    return []
  sums = np.stack([vectors[:, None] + s * vectors[None] for s in (1, -1)])
  missing = points.missing(sums.reshape(-1, 3)).reshape(2, n, n)
  agree = (missing == 0).all(axis=0)
  triples = np.array(list(itertools.combinations(range(n), 3)))
  a, b, c = triples.T
  length = np.linalg.norm(vectors, axis=1)[triples]
  flat = np.abs(np.linalg.det(vectors[triples])) < 0.1 * length.prod(axis=1)
  keep = agree[a, b] & agree[a, c] & agree[b, c] & ~flat
  order = np.argsort(length.sum(axis=1), kind='stable')
  return [tuple(triples[i]) for i in order if keep[i]]


def _support(times, sites) -> tuple[int, int]:
  """Sites seen twice along the weakest direction of the lattice.

  A lattice has seven sublattices of index two; each leaves out the
  translations that are odd in one sense. The fewest sites that an odd
  translation starts from say how well the lattice is established.

  Returns:
    Those sites, and how many pairs there are along that direction.
  """
  senses = np.array(list(itertools.product((0, 1), repeat=3)))[1:]
  odd = (times @ senses.T) % 2 == 1
  each = [(len(np.unique(sites[o])), int(o.sum()) // 2) for o in odd.T]
  return min(each)


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


def _carries(density, points, cell) -> bool:
  """Whether the shortest vectors carry the density onto itself."""
  density = np.asarray(density, np.float64)
  grid = len(density)
  spacing = 2 * points.half / grid
  for vector in cell:
    shift = np.rint(vector / spacing).astype(int)
    if np.abs(shift).max() > grid - 4:
      continue
    here = tuple(slice(max(0, -s), grid - max(0, s)) for s in shift)
    there = tuple(slice(max(0, s), grid - max(0, -s)) for s in shift)
    a, b = density[here], density[there]
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    if norm > 0 and (a * b).sum() < 0.7 * norm:
      return False
  return True
