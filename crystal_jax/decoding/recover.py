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
from crystal_jax.decoding import evidence, pairing


@dataclasses.dataclass(frozen=True)
class LatticeFit:
  """A lattice, and how sure it is.

  Attributes:
    cell: Lattice vectors as rows, Å, Niggli-reduced, in the box's frame; NaN
      where no period shows at all.
    score: 0 to 1; a half and more is found.
    found: Whether to believe it.
    centre: None, or the crystal has the inversion x -> centre - x too, Å. It
      may show sites that the box does not.
  """

  cell: Float[np.ndarray, '3 3']
  score: float
  found: bool
  centre: Float[np.ndarray, '3'] | None = None


# How far from its place an image may be, Å; of exact atoms, and of noisy ones.
TOLERANCES = (evidence.EXACT, 0.01, 0.08, 0.25, 0.5)
# Where species are noisy: how far the atomic number of an image may be off, and
# the share of the images that may be missing.
NOISY = 2, 0.1
# So many atoms that a translation carries onto others show how exact they are.
PROOF = 10
# Independent translations, shortest first, that are tried three at a time, and
# lattices that are looked at closely.
TRIED, CLOSELY = 14, 25
# Translations that are looked at for these, shortest first.
MOST = 120
# A lattice of so many times the sites is no rival.
RIVAL = 1.5
# Inversions that relate fewer atoms are left.
TURNED = 3
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
  best = None
  for rung in _rungs(atoms):
    points = pairing.Points.of(atoms, *rung)
    if points is None:
      break
    view = _search(points, prior)
    if view is None:
      continue
    score = view.score(points)
    if density is not None and not _carries(density, points, view.cell):
      score = 0.0
    if best is None or (score, view.worth) > (best[0], best[1].worth):
      best = score, view
    if score >= 0.5:
      break
  if best is None:
    return LatticeFit(np.full((3, 3), np.nan), 0.0, False)
  score, view = best
  cell = lattice.idealize(lattice.niggli_reduce(view.cell, 1e-3), IDEAL)
  return LatticeFit(cell, score, score >= 0.5, view.centre)


def _rungs(atoms):
  """What to allow for, in turn: a tolerance, and what species and images may.

  The translations that a wide tolerance lets through say how exact the atoms
  are. To allow for more would take a near translation for a true one; to allow
  for less, a chance for a translation.
  """
  exact = [(t, 0, 0.0) for t in TOLERANCES]
  noisy = [(t, *NOISY) for t in TOLERANCES[2:]]
  points = pairing.Points.of(atoms, 0.25, *NOISY)
  if points is None:
    return []
  for start in (_scarce(points), None):
    shifts, hits = points.operations(start=start, most=60)
    shifts = shifts[hits >= PROOF]
    if len(shifts):
      break
  else:
    return exact[:-1]
  owner, _ = points.look(shifts)
  hit = owner >= 0
  apart = points.places[owner] - points.places - shifts[:, None]
  apart = np.where(hit, np.linalg.norm(apart, axis=-1), np.nan)
  apart = np.nanmedian(apart, axis=1)
  wrong = hit & (points.numbers[owner] != points.numbers)
  wrong = wrong.sum(axis=1) / hit.sum(axis=1)
  if np.any((apart < evidence.EXACT / 2) & (wrong == 0)):
    return exact[:1]
  # Not all of them are true; those that are have the least of either.
  many = hits[hits >= PROOF] >= hits.max() / 2
  apart, wrong = np.quantile(apart[many], 0.2), np.quantile(wrong[many], 0.4)
  rungs = noisy if wrong > 0 else exact[1:]
  return [r for r in rungs if r[0] >= 3 * apart][:2] or rungs[-1:]


def _search(points, prior):
  """The best lattice at one tolerance."""
  # Nearly always all short vectors start from one atom near the middle.
  start = _scarce(points)
  vectors, _ = points.operations(start=start, most=60)
  best = _best(points, vectors, None, prior)
  if best is not None and best.complete:
    if np.linalg.norm(lattice.minkowski_reduce(best.cell)[0][2]) <= points.half:
      return best
  vectors, _ = points.operations(most=MOST)
  best = _best(points, vectors, None, prior)
  if best is not None and best.score(points) >= 0.5:
    return best
  centres, hits = points.operations(-1, most=60)
  centres = centres[hits >= TURNED]
  if len(centres) < 2:
    return best
  # One inversion after another is a translation.
  i, j = np.triu_indices(len(centres), 1)
  more = centres[j] - centres[i]
  more = more[np.linalg.norm(more, axis=1) >= pairing.SHORTEST]
  more = more[~points.refuted(more)]
  vectors = np.concatenate([vectors, more])
  vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))[:MOST]]
  other = _best(points, vectors, centres[0], prior)
  each = [e for e in (best, other) if e is not None]
  return max(each, key=lambda e: (e.score(points), e.worth), default=None)


def _scarce(points):
  """The atom nearest the middle of the scarcest species."""
  numbers = points.numbers[points.middle]
  values, counts = np.unique(numbers, return_counts=True)
  scarce = values[np.argmin(np.where(counts > 3, counts, 999))]
  return points.middle[numbers == scarce][:1]


def _best(points, vectors, centre, prior):
  """The lattice of three of the vectors that the box supports best."""
  vectors = _irreducible(vectors)
  seen, views = [], []
  for triple in _triples(vectors, points):
    cell = vectors[list(triple)]
    if _known(cell, seen):
      continue
    seen.append(cell)
    view = evidence.weigh(points, cell, centre)
    if view is not None:
      views.append(view)
      if view.complete:
        return view  # the shortest of those with nothing left to wish for
    if len(seen) == CLOSELY:
      break
  if not views:
    return None

  def worth(view):
    guess = 0.0 if prior is None else _strangeness(view.cell, prior)
    return view.worth - guess

  best = max(views, key=worth)
  rival = any(
    v.support >= best.support
    and v.count < RIVAL * best.count
    and worth(v) > worth(best) - 0.2
    and not _known(v.cell, [best.cell])
    for v in views
  )
  return dataclasses.replace(best, rival=rival)


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
