"""Crystal of a box with periodic images: lattice, sites and species.

The lattice is the first of these: one near the networks' prediction by which
the atoms repeat, or any by which they repeat. It is replaced by another one if
the autocorrelation of the decoded fields is far larger for that
(`lattice_search.autocorrelation`). A site is the mean of its images. Sites and
lattice are then fitted to the occupancy (`site_refinement`), with a symmetric
lattice if that fits as well.

The constants were tuned, as those of `nearby`, on up to 300 held-out crystals
of the Materials Project and a network with position errors of 0.1 Å.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from crystal_jax import decoding, lattice_search
from crystal_jax.density import BoxGrid
from crystal_jax.lattice_search import autocorrelation, nearby
from crystal_jax.representation import readout, site_refinement
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

# Smallest share of images with an atom for a lattice near the prediction.
_MIN_SHARE = 0.7
# Tolerance of lattice symmetry: largest change of the metric, relative to the
# lengths.
_SYMMETRY_TOLERANCE = 0.03
# A symmetric lattice may leave this many times the squared residual of the free
# fit; if it leaves more, only symmetry within the tight tolerance is imposed.
_MAX_RESIDUAL_RATIO, _TIGHT_TOLERANCE = 1.03, 0.005
# Smallest gain in autocorrelation of another lattice over that of the atoms.
_MIN_GAIN = 0.15
# Weight of each number of the element codes, relative to the occupancy; and
# number of voxels left out along the walls, where network errors are largest.
_CODE_WEIGHT, _MARGIN = 0.5, 2


def crystal(
  atoms: decoding.DecodedAtoms,
  squared_distances: Float[np.ndarray, 'K E'],
  prior: Float[np.ndarray, '3 3'] | None,
  outputs: Mapping[str, np.ndarray],
  *,
  grid: BoxGrid,
  sigma: float,
) -> Crystal | str:
  """The crystal of the atoms in one box, or the reason why there is none.

  Args:
    atoms: Decoded atoms, on the host.
    squared_distances: Squared distances of each atom's code to the codes of all
      elements.
    prior: The predicted lattice, rows in Å; None: there is none.
    outputs: Decoded fields: occupancy [G, G, G], codes [G, G, G, C].
    grid: The box.
    sigma: Standard deviation of an atom, Å.
  """
  try:
    cell = _lattice(atoms, prior, outputs, grid.spacing)
    positions, means = nearby.fold(atoms, cell, squared_distances)
    if not len(positions):
      return 'no decoded atom repeats by the lattice'
    positions, cell = _fit(
      outputs['occupancy'], positions, cell, grid=grid, sigma=sigma
    )
  except ValueError as error:
    return str(error)
  return Crystal(readout.numbers(means), positions, cell)


def candidates(
  atoms: decoding.DecodedAtoms,
  squared_distances: Float[np.ndarray, 'K E'],
  prior: Float[np.ndarray, '3 3'] | None,
  outputs: Mapping[str, np.ndarray],
  *,
  grid: BoxGrid,
) -> list[Crystal]:
  """Crystals of every candidate lattice, without a fit; see `crystal`."""
  cells = []
  for hint in (None, prior):
    try:
      fit = lattice_search.find_lattice(atoms, prior=hint)
    except ValueError:
      continue
    cells += [fit.cell] if fit.found else []
  if prior is not None:
    snapped, _ = autocorrelation.snap(
      autocorrelation.autocorrelation(_joint_field(outputs)),
      grid.spacing,
      prior,
    )
    near = [nearby.fit_near(atoms, cell)[0] for cell in (prior, snapped)]
    cells += [prior, snapped, *near]
  crystals = []
  for cell in cells:
    positions, means = nearby.fold(atoms, cell, squared_distances)
    if len(positions):
      crystals.append(Crystal(readout.numbers(means), positions, cell))
  return crystals


def _lattice(atoms, prior, outputs, spacing):
  """The lattice that repeats the atoms, near the prior if one does.

  If the autocorrelation of the decoded fields is far larger for another
  lattice, that lattice is used: the atoms may be too wrong.
  """
  cell, share = None, 0.0
  if prior is not None:
    cell, share = nearby.fit_near(atoms, prior)
  if share < _MIN_SHARE:
    fit = lattice_search.find_lattice(atoms, prior=prior)
    cell = fit.cell if fit.found else cell
  if prior is not None:
    correlation = autocorrelation.autocorrelation(_joint_field(outputs))
    snapped, snapped_score = autocorrelation.snap(correlation, spacing, prior)
    reduced, _ = lattice.minkowski_reduce(cell)
    (score,) = autocorrelation.score(correlation, spacing, reduced[None])
    if snapped_score > score + _MIN_GAIN:
      cell, _ = nearby.fit_near(atoms, snapped)
  if cell is None:
    raise ValueError('no lattice is predicted, and the atoms show none')
  return lattice.idealize(cell, _SYMMETRY_TOLERANCE)


def _joint_field(outputs):
  """Occupancy and species as one field, without the outermost voxels."""
  codes = _CODE_WEIGHT * np.asarray(outputs['codes'], np.float64)
  codes[..., 0] = 1.0
  field = codes * np.clip(outputs['occupancy'], 0, 1.2)[..., None]
  return field[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _fit(occupancy, positions, cell, **box):
  """Least-squares sites and lattice, symmetric if that fits as well."""
  free = site_refinement.fit_sites(occupancy, positions, cell, **box)
  residual = site_refinement.squared_residual(occupancy, *free, **box)
  symmetric = _idealize(*free, _SYMMETRY_TOLERANCE)
  constrained = site_refinement.squared_residual(occupancy, *symmetric, **box)
  if constrained <= _MAX_RESIDUAL_RATIO * residual:
    return symmetric
  return _idealize(*free, _TIGHT_TOLERANCE)


def _idealize(positions, cell, tolerance):
  """Sites in the nearest symmetric lattice, and that lattice."""
  ideal = lattice.idealize(cell, tolerance)
  return positions @ np.linalg.inv(cell) @ ideal, ideal
