"""Tuned numbers of the lattice search.

All were tuned together on 2,000 crystals of mp_le20_val: exact densities in a
10 Å box, 0.5 Å wide atoms, and the true atoms with noise of up to 0.1 Å.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SearchConfig:
  """Limits by which translations and lattices are accepted or rejected.

  Attributes:
    tolerances: Largest distances of an image from its atom, Å, tried in turn.
    exact_tolerance: Tolerance at which atoms count as exact, Å.
    noisy_number_difference: Largest difference of the atomic numbers of an atom
      and its image, where species are noisy.
    noisy_missing_share: Largest share of images without an atom, where species
      are noisy.
    min_scatter_pairs: Minimum number of pairs of atoms that a translation
      relates, if its scatter is to tell how exact the atoms are.
    max_translations: Maximum number of translations, shortest first.
    max_operations: Maximum number of translations from one atom, and of
      inversions.
    min_inverted: Minimum number of atoms that an inversion relates.
    max_rival_site_ratio: Largest ratio of the numbers of sites of a rival
      lattice and the best one.
    max_rival_rank_difference: Largest difference of the ranks of the best
      lattice and a rival.
    sharper_rms_ratio: A lattice is rejected if another one, of a smaller
      tolerance, has an rms distance below this share of the lattice's own.
    max_shift: Largest median distance of images from their atoms along a
      direction, in expected errors of exact atoms; 0.16 at most for 680 true
      lattices.
    min_stray_ratio: Distance of two sites too near for two atoms, over
      tolerance and errors, above which they make a pseudo-lattice.
    idealize_tolerance: Lattice vectors whose lengths differ by less (relative)
      are made equal.
    min_correlation: Smallest correlation of a density with its copy, moved by a
      lattice vector.
    reach: Distance outside the walls within which atoms reach into the box, in
      standard deviations of an atom.
    max_unexplained: Largest RMS of the density that a crystal does not explain,
      over the RMS of the density, beyond 1.1 of what its decoded atoms leave:
      in units of the tolerance over the standard deviation of an atom.
    max_unexplained_exact: The same of exact atoms after the fit of the crystal
      to the density; 1e-7 for 1,236 true crystals, 6e-6 and more for six wrong
      ones, all aligned with the box.
    max_wall_ratio: Largest RMS of what a fitted crystal leaves, over that of
      what it leaves far from the walls; 5 and more for the six wrong ones, less
      than 1 for two means of superstructures.
    fit_rounds: Maximum number of rounds of the fit.
    fit_reach: Distance outside the walls of the images that are fitted, in
      standard deviations of an atom.
    max_fit_step: Largest change of a coordinate in one round, Å.
    min_length: Length of the shortest lattice vector, Å.
    outside_distance: Largest distance outside a wall of a reliable atom, Å.
    outside_weight_tolerance: Largest deviation of the weight of such an atom
      from a whole number.
    max_unreliable_number: Atoms of atomic numbers up to this one are never
      reliable outside.
    wall_margin: Walls of a known box are taken to be this far inside, Å, since
      an atom that near may be decoded outside; or at the outermost atom.
    num_probes: Number of atoms nearest to the middle that test an operation
      first.
    sharp_depth: Distance inside the walls from which positions are sharp, Å.
    sharp_error: Position error of an atom of weight one beyond `sharp_depth`,
      Å.
    wall_error: Position error of an atom of weight one elsewhere, Å.
    max_error: Largest position error of any atom, Å.
    min_same_species_share: Smallest share of images of exactly the same
      species.
    max_irreducible: Maximum number of translations that are no sum of two
      others, shortest first; lattices are spanned by three of these.
    max_lattices: Maximum number of lattices that are fitted.
    vector_tolerance: Vectors that differ by less are equal, Å.
    min_sites: Minimum number of sites that support a lattice.
    min_exact_sites: The same if atoms are exact: chance is then unlikely.
    min_site_share: Smallest share of the sites of a cell that support it.
    exclusion_distance: Distance to an atom within which no other atom lies, Å.
    max_unseen_share: Largest share of the cell that lies outside the box.
    crowding_bounds: Bounds of atoms per volume in the box, over those in the
      cell.
    sparse_crowding: Crowding below which one more site has to support a
      lattice.
  """

  tolerances: tuple[float, ...] = (0.002, 0.01, 0.08, 0.25, 0.5)
  exact_tolerance: float = 0.002
  noisy_number_difference: int = 2
  noisy_missing_share: float = 0.1
  min_scatter_pairs: int = 10
  max_translations: int = 120
  max_operations: int = 60
  min_inverted: int = 3
  max_rival_site_ratio: float = 1.5
  max_rival_rank_difference: float = 0.2
  sharper_rms_ratio: float = 0.25
  max_shift: float = 0.2
  min_stray_ratio: float = 6.0
  idealize_tolerance: float = 1e-3
  min_correlation: float = 0.7
  reach: float = 4.0
  max_unexplained: float = 0.75
  max_unexplained_exact: float = 1e-6
  max_wall_ratio: float = 2.0
  fit_rounds: int = 4
  fit_reach: float = 5.5
  max_fit_step: float = 0.1
  min_length: float = 1.8
  outside_distance: float = 0.5
  outside_weight_tolerance: float = 0.1
  max_unreliable_number: int = 2
  wall_margin: float = 0.2
  num_probes: int = 12
  sharp_depth: float = 0.75
  sharp_error: float = 0.015
  wall_error: float = 0.06
  max_error: float = 0.1
  min_same_species_share: float = 0.6
  max_irreducible: int = 14
  max_lattices: int = 25
  vector_tolerance: float = 0.15
  min_sites: int = 3
  min_exact_sites: int = 2
  min_site_share: float = 0.15
  exclusion_distance: float = 1.5
  max_unseen_share: float = 0.01
  crowding_bounds: tuple[float, float] = (0.8, 1.5)
  sparse_crowding: float = 0.89


SEARCH = SearchConfig()
