"""The lattice of a repeating box of atoms, from the atoms alone.

A translation of the crystal maps every atom whose image stays inside the box
onto an atom of the same species. So every vector between two atoms of one
species is a candidate, and is rejected if an image has no atom. Three
independent ones span a lattice; of the lattices whose images all have atoms,
the one that most sites support is taken (`support`), and refined by least
squares over every pair that it relates.

Three steps make the search robust:

- The scatter of the best translations says how exact the atoms are. Exact atoms
  are compared within 0.002 Å, at which no pseudo-translation passes and two
  sites seen twice along each direction are enough. Noisy atoms get a wider
  tolerance; where species are noisy too, close species match and some images
  may be missing.
- Light atoms and atoms near a wall get a wider tolerance, as their positions
  are less exact.
- If no three translations span a lattice, inversions are used too: two
  inversions in a row are a translation, which may be longer than the box.

A lattice is found if enough sites support it, no other lattice has as much
support, its cell is as densely filled as the box, and the box shows all parts
of the cell that could hold an atom. With the density and the width of an atom,
the crystal must have that density: its atoms just outside the walls reach into
the box, which nothing else tests. It is then as dense as the box. If atoms are
exact, it is fitted to the density and must leave no more near the walls than
inside.

Limits: a lattice vector is not found if the box holds no pair of atoms that the
vector, or two inversions, relate; nor if it relates one site only, which is a
coincidence more often than not. A pseudo-translation is not recognized if it
fails outside the box only, or by less than the noise. Mirrors and axes are not
used. Atoms just outside the walls with whole weights support a lattice, but
never reject one.

Host NumPy, float64.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.decoding import DecodedAtoms
from crystal_jax.lattice_search import (
  box_atoms,
  candidates,
  density_check,
  support,
)
from crystal_jax.lattice_search.config import SEARCH
from crystal_jax.lattice_search.lattice_fit import LatticeFit
from crystal_jax.lattice_search.operation_search import (
  find_operations,
  rarest_atom,
)
from crystal_jax.lattice_search.tolerances import tolerance_steps
from crystal_jax.structure import lattice


def find_lattice(
  atoms: DecodedAtoms,
  density: Float[ArrayLike, 'G G G'] | None = None,
  sigma: float | None = None,
  prior: Float[ArrayLike, '3 3'] | None = None,
) -> LatticeFit:
  """The lattice of the atoms decoded from a repeating box.

  Args:
    atoms: The `DecodedAtoms` of one density in a box.
    density: The density that the atoms were found in; with it, a lattice must
      also map the density onto itself.
    sigma: Width of an atom in it, Å; with both, the crystal must also have the
      density, atoms outside the walls included.
    prior: A cell as a network predicts it, in any orientation. It decides
      between lattices that the box supports about equally.

  Returns:
    The fit; `found` is False where the box does not show a period.

  Raises:
    ValueError: If the atoms are those of a batch.
  """
  if density is not None:
    density = np.asarray(density, np.float64)
  best: tuple[float, support.Support] | None = None
  sharper: list[support.Support] = []
  for tolerances in tolerance_steps(atoms):
    box = box_atoms.BoxAtoms.of(atoms, *tolerances)
    if box is None:
      break
    candidate = _search(box, prior)
    if candidate is None:
      continue
    agrees = None
    if density is not None:
      agrees = density_check.agrees(density, atoms, box, candidate, sigma)
    score = candidate.score(box, has_density=bool(agrees))
    if agrees is False or any(_is_sharper(o, candidate) for o in sharper):
      score = 0.0
    sharper.append(candidate)
    if best is None or (score, candidate.rank) > (best[0], best[1].rank):
      best = score, candidate
    if score >= 0.5:
      break
  if best is None:
    return LatticeFit(np.full((3, 3), np.nan), 0.0, False)
  score, candidate = best
  cell = lattice.niggli_reduce(candidate.cell, 1e-3)
  cell = lattice.idealize(cell, SEARCH.idealize_tolerance)
  return LatticeFit(cell, float(score), bool(score >= 0.5), candidate.centre)


def _is_sharper(other: support.Support, candidate: support.Support) -> bool:
  """Whether another lattice maps the atoms so much more exactly.

  Then a candidate of a wider tolerance is a pseudo-lattice, even if the other
  one is not supported enough to be found.
  """
  return (
    other.sites >= SEARCH.min_sites
    and other.rms < SEARCH.sharper_rms_ratio * candidate.rms
    and not candidates.contains_lattice(candidate.cell, [other.cell])
  )


def _search(box, prior) -> support.Support | None:
  """The best supported lattice at one tolerance."""
  # Nearly always all short vectors start from one atom near the middle.
  start = rarest_atom(box)
  vectors, _ = find_operations(
    box, start=start, max_operations=SEARCH.max_operations
  )
  best = _best(box, vectors, None, prior)
  if best is not None and best.is_complete:
    reduced, _ = lattice.minkowski_reduce(best.cell)
    if np.linalg.norm(reduced[2]) <= box.half_length:
      return best
  vectors, _ = find_operations(box, max_operations=SEARCH.max_translations)
  best = _best(box, vectors, None, prior)
  if best is not None and best.score(box) >= 0.5:
    return best
  centres, counts = find_operations(
    box, -1, max_operations=SEARCH.max_operations
  )
  centres = centres[counts >= SEARCH.min_inverted]
  if len(centres) < 2:
    return best
  # One inversion after another is a translation.
  i, j = np.triu_indices(len(centres), 1)
  more = centres[j] - centres[i]
  more = more[np.linalg.norm(more, axis=1) >= SEARCH.min_length]
  more = more[~box.rejects(more)]
  vectors = _distinct(np.concatenate([vectors, more]))
  other = _best(box, vectors, centres[0], prior)
  found = [each for each in (best, other) if each is not None]
  return max(found, key=lambda e: (e.score(box), e.rank), default=None)


def _distinct(vectors):
  """The shortest vectors of different directions or lengths, shortest first.

  Many pairs of inversions make the same translation: all of them together
  would leave no room for the one long translation that is missing.
  """
  vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind='stable')]
  kept = np.zeros((0, 3))
  for vector in vectors:
    distance = np.minimum(
      np.abs(kept - vector[None]).max(axis=1, initial=0.0),
      np.abs(kept + vector[None]).max(axis=1, initial=0.0),
    )
    if not (distance < SEARCH.vector_tolerance).any():
      kept = np.concatenate([kept, vector[None]])
      if len(kept) == SEARCH.max_translations:
        break
  return kept


def _best(box, vectors, centre, prior) -> support.Support | None:
  """The lattice of three of the vectors that the box supports best."""
  found = []
  for cell in candidates.lattices(box, vectors):
    candidate = support.measure(box, cell, centre)
    if candidate is not None:
      found.append(candidate)
      if candidate.is_complete:
        return candidate  # the shortest of all complete ones
  if not found:
    return None

  def rank(candidate):
    penalty = 0.0 if prior is None else _difference(candidate.cell, prior)
    return candidate.rank - penalty

  best = max(found, key=rank)
  if best.sites <= SEARCH.min_sites:
    found += _neighbours(box, vectors, best)
  rival = any(
    other.sites >= best.sites
    and other.count < SEARCH.max_rival_site_ratio * best.count
    and rank(other) > rank(best) - SEARCH.max_rival_rank_difference
    and not candidates.contains_lattice(other.cell, [best.cell])
    for other in found
  )
  return dataclasses.replace(best, rival=rival)


def _neighbours(box, vectors, best) -> list[support.Support]:
  """Lattices with a translation that a weakly supported lattice lacks.

  The triples of `candidates` leave out sums of shorter translations: where
  those are pseudo-translations, the true lattice is among the left out.
  """
  steps = vectors @ np.linalg.inv(best.cell)
  lacking = np.abs(steps - np.rint(steps)).max(axis=1) > 0.1
  vectors, steps = vectors[lacking], steps[lacking]
  if not len(vectors):
    return []
  paired = box.match(vectors)[0] >= 0
  sites = support.fold(box, best.cell)
  found: list[support.Support] = []
  for vector, step, own in zip(vectors, steps, paired, strict=True):
    if len(np.unique(sites[own])) < best.sites:
      continue
    for k in range(3):
      cell = best.cell.copy()
      cell[k] = vector
      # The step along the replaced vector is the ratio of the volumes.
      if not 0.5 < abs(
        step[k]
      ) < SEARCH.max_rival_site_ratio or candidates.contains_lattice(
        cell, [other.cell for other in found]
      ):
        continue
      other = support.measure(box, cell)
      if other is not None:
        found.append(other)
  return found


def _difference(cell, prior) -> float:
  """Largest difference of the logarithms of Niggli lengths, 0 to 0.5."""
  lengths = []
  for each in (cell, np.asarray(prior, np.float64)):
    reduced = lattice.niggli_reduce(each, 1e-3)
    lengths.append(np.log(np.linalg.norm(reduced, axis=1)))
  return float(min(0.5, np.abs(lengths[0] - lengths[1]).max()))
