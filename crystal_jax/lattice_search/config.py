"""Tuned numbers of the lattice search.

All were tuned together on 2,000 crystals of mp_le20_val: exact densities in a
10 Å box, 0.5 Å wide atoms, and the true atoms with noise of up to 0.1 Å.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SearchConfig:
  """What counts as a translation, a lattice, and a lattice that is found.

  Attributes:
    tolerances: Distances between an image and its atom that count as the same
      position, Å, tried in turn.
    exact: Tolerance at which atoms count as exact, Å.
    noisy_number_difference: Atomic numbers of an atom and its image may differ
      by this much where species are noisy.
    noisy_missing: Share of images that may be missing where atoms are noisy.
    proof: Pairs of atoms related by a translation from which its scatter says
      how exact the atoms are.
    max_translations: Maximum number of translations, shortest first.
    max_operations: Maximum number of translations from one atom, and of
      inversions.
    min_inverted: Fewest atoms that an inversion relates.
    rival_sites: A lattice with this many times the sites is no rival.
    rival_rank: A lattice that ranks lower by this much is no rival.
    sharper: A lattice is refused if another one, of a finer tolerance, has an
      rms distance less than this share of its own.
    shifted: Median distance of images from their atoms along a direction, in
      expected errors of exact atoms, above which it is a pseudo-translation:
      0.16 at most for 680 true lattices.
    stray: Two sites nearer than atoms can be, but further apart than this many
      times the tolerance and their errors, make a pseudo-lattice.
    idealize: Lattice vectors whose lengths differ by less (relative) are made
      equal.
    carried: Correlation of a density with itself, moved by a lattice vector,
      below which the vector is refused.
    shortest: Shortest lattice vector, Å.
    outside: Atoms this near outside a wall are reliable, Å, if their weight is
      within `outside_weight` of a whole number.
    outside_weight: See `outside`.
    outside_lightest: Atomic numbers up to this one are never reliable outside.
    wall_margin: Walls of a known box are taken to be this far inside, Å, since
      an atom that near may be decoded outside; or at the outermost atom.
    probes: Atoms nearest to the middle that test an operation first.
    depth: Distance inside the walls from which positions are sharp, Å.
    sharp_error: Position error of an atom of weight one inside `depth`, Å.
    wall_error: The same elsewhere, Å.
    max_error: Largest position error of any atom, Å.
    same_species: Share of the images that must have exactly the same species.
    max_irreducible: Independent translations, shortest first, from which
      triples are taken.
    max_lattices: Lattices that are fitted.
    same_vector: Vectors that differ by less are the same, Å.
    sites: Sites that must support a lattice.
    exact_sites: The same where atoms are exact, as chance is then unlikely.
    site_share: Share of all sites that must support a lattice.
    exclusion: Distance to an atom within which no other atom lies, Å.
    unseen: Share of the cell that may stay outside the box.
    crowding: Bounds of atoms per volume in the box, over those in the cell.
    sparse: Crowding below which one more site must support a lattice.
  """

  tolerances: tuple[float, ...] = (0.002, 0.01, 0.08, 0.25, 0.5)
  exact: float = 0.002
  noisy_number_difference: int = 2
  noisy_missing: float = 0.1
  proof: int = 10
  max_translations: int = 120
  max_operations: int = 60
  min_inverted: int = 3
  rival_sites: float = 1.5
  rival_rank: float = 0.2
  sharper: float = 0.25
  shifted: float = 0.2
  stray: float = 6.0
  idealize: float = 1e-3
  carried: float = 0.7
  shortest: float = 1.8
  outside: float = 0.5
  outside_weight: float = 0.1
  outside_lightest: int = 2
  wall_margin: float = 0.2
  probes: int = 12
  depth: float = 0.75
  sharp_error: float = 0.015
  wall_error: float = 0.06
  max_error: float = 0.1
  same_species: float = 0.6
  max_irreducible: int = 14
  max_lattices: int = 25
  same_vector: float = 0.15
  sites: int = 3
  exact_sites: int = 2
  site_share: float = 0.15
  exclusion: float = 1.5
  unseen: float = 0.01
  crowding: tuple[float, float] = (0.8, 1.5)
  sparse: float = 0.89


SEARCH = SearchConfig()
