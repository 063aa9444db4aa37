"""The lattice of a repeating box of atoms, from the atoms alone.

A translation of the crystal carries every atom whose image stays inside the
box onto an atom of the same species. So every vector between two atoms of one
species is a candidate, and stays if it carries no atom onto nothing. Three
independent ones span a lattice; of the lattices that carry no atom onto
nothing, the one that most sites support is taken (`evidence`), and refined by
least squares over every pair that it relates.

Three things make it sure:

- How exact the atoms are is asked first, of the best translations. Exact ones
  are held to 0.002 Å, at which no near translation passes and two sites seen
  twice along each direction are enough. Noisy ones get a wider tolerance, and
  where their species are noisy too, near species and some missing images pass.
- A light atom, or one near a wall, is allowed more, as its place is less sure.
- Where translations alone show no lattice, inversions help: one after another
  they are a translation, and they reach further than the box does.

A lattice is found if its support is enough, no other is as good, its cell is
as densely filled as the box, and no part of it stayed unseen that could hold an
atom.

Limits: a vector longer than what the box shows twice, be it by an inversion,
can't be found; nor can one along which only one site is seen twice, as that is
a chance more often than not. A pseudo-translation whose flaw lies outside the
box, or is smaller than the noise, can't be told from a true one. Of the other
symmetries (mirrors, axes) none is used. Atoms just outside the walls, where
their weights are sound, count as support, and never against a lattice.

Host NumPy, float64.
"""

import dataclasses

import numpy as np
import scipy.ndimage
from jaxtyping import ArrayLike, Float

from crystal_jax.lattice_search import box_atoms, candidates, support
from crystal_jax.structure import lattice


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


# All below were tuned on mp_le20_val.

# How far from its place an image may be, Å; of exact atoms, and of noisy ones.
TOLERANCES = (support.EXACT, 0.01, 0.08, 0.25, 0.5)
# Where species are noisy: how far the atomic number of an image may be off, and
# the share of the images that may be missing.
NOISY = 2, 0.1
# So many atoms that a translation carries onto others show how exact they are.
PROOF = 10
# Most translations, shortest first; those that start from one atom, and
# inversions.
MOST, FEW = 120, 60
# A lattice of more times the sites, or of less worth by more, is no rival.
RIVAL = 1.5, 0.2
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
    points = box_atoms.Points.of(atoms, *rung)
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
  return LatticeFit(cell, float(score), bool(score >= 0.5), view.centre)


def _rungs(atoms):
  """What to allow for, in turn: a tolerance, and what species and images may.

  The translations that a wide tolerance lets through say how exact the atoms
  are. To allow for more would take a near translation for a true one; to allow
  for less, a chance for a translation.
  """
  exact = [(t, 0, 0.0) for t in TOLERANCES]
  noisy = [(t, *NOISY) for t in TOLERANCES[2:]]
  points = box_atoms.Points.of(atoms, 0.25, *NOISY)
  if points is None:
    return []
  for start in (_scarce(points), None):
    shifts, hits = points.operations(start=start, most=FEW)
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
  if np.any((apart < support.EXACT / 2) & (wrong == 0)):
    return exact[:1]
  # Not all of them are true; those that are have the least of either.
  many = hits[hits >= PROOF] >= hits.max() / 2
  apart, wrong = np.quantile(apart[many], 0.2), np.quantile(wrong[many], 0.4)
  rungs = []
  for each in [noisy] if wrong > 0 else [exact[1:], noisy]:
    rungs += [r for r in each if r[0] >= 3 * apart][:2] or each[-1:]
  return rungs


def _search(points, prior):
  """The best lattice at one tolerance."""
  # Nearly always all short vectors start from one atom near the middle.
  start = _scarce(points)
  vectors, _ = points.operations(start=start, most=FEW)
  best = _best(points, vectors, None, prior)
  if best is not None and best.complete:
    if np.linalg.norm(lattice.minkowski_reduce(best.cell)[0][2]) <= points.half:
      return best
  vectors, _ = points.operations(most=MOST)
  best = _best(points, vectors, None, prior)
  if best is not None and best.score(points) >= 0.5:
    return best
  centres, hits = points.operations(-1, most=FEW)
  centres = centres[hits >= TURNED]
  if len(centres) < 2:
    return best
  # One inversion after another is a translation.
  i, j = np.triu_indices(len(centres), 1)
  more = centres[j] - centres[i]
  more = more[np.linalg.norm(more, axis=1) >= box_atoms.SHORTEST]
  more = more[~points.refuted(more)]
  vectors = _distinct(np.concatenate([vectors, more]))
  other = _best(points, vectors, centres[0], prior)
  each = [e for e in (best, other) if e is not None]
  return max(each, key=lambda e: (e.score(points), e.worth), default=None)


def _distinct(vectors):
  """The shortest `MOST` of different directions or lengths, shortest first.

  Many pairs of inversions make the same translation: all of them together
  would leave no room for the long one that is looked for.
  """
  vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind='stable')]
  kept = np.zeros((0, 3))
  for vector in vectors:
    apart = np.minimum(
      np.abs(kept - vector[None]).max(axis=1, initial=0.0),
      np.abs(kept + vector[None]).max(axis=1, initial=0.0),
    )
    if not (apart < candidates.SAME).any():
      kept = np.concatenate([kept, vector[None]])
      if len(kept) == MOST:
        break
  return kept


def _scarce(points):
  """The atom nearest the middle of the scarcest species."""
  numbers = points.numbers[points.middle]
  values, counts = np.unique(numbers, return_counts=True)
  scarce = values[np.argmin(np.where(counts > 3, counts, 999))]
  return points.middle[numbers == scarce][:1]


def _best(points, vectors, centre, prior):
  """The lattice of three of the vectors that the box supports best."""
  views = []
  for cell in candidates.lattices(points, vectors):
    view = support.weigh(points, cell, centre)
    if view is not None:
      views.append(view)
      if view.complete:
        return view  # the shortest of those with nothing left to wish for
  if not views:
    return None

  def worth(view):
    guess = 0.0 if prior is None else _strangeness(view.cell, prior)
    return view.worth - guess

  best = max(views, key=worth)
  rival = any(
    v.support >= best.support
    and v.count < RIVAL[0] * best.count
    and worth(v) > worth(best) - RIVAL[1]
    and not candidates.known(v.cell, [best.cell])
    for v in views
  )
  return dataclasses.replace(best, rival=rival)


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
  spacing = _spacing(density, points)
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


def _spacing(density, points) -> float:
  """Distance between voxels at which the atoms lie on the density's peaks, Å.

  The walls lie beyond the outermost atom, but planes of atoms do not say how
  far: up to twice as far, where the next plane is outside.
  """
  size = len(density)
  atoms = points.places[: points.inner]
  tried = points.half * np.linspace(1.0, 2.2, 8 * size) / (0.5 * size)
  index = atoms.T[:, None] / tried[:, None] + 0.5 * (size - 1)  # [3, T, N]
  at_atoms = scipy.ndimage.map_coordinates(density, index, order=1)
  return float(tried[at_atoms.mean(axis=1).argmax()])
