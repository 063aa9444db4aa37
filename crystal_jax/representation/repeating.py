"""The crystal that repeats in a box: lattice, sites, species.

The lattice is the one near what the networks say that the atoms repeat by, or,
if there is none, any that they do, or one by which what the networks drew is
far more like itself (`lattice_search.alike`). A site is the mean of its images.
Sites and lattice then fit the occupancy best (`box_fit`), in a symmetric
lattice if that fits as well.

The limits here were tuned, as those of `nearby`, on up to 300 held-out crystals
of the Materials Project and a network that errs by 0.1 Å.
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

# Share of the images that have to be there for a guess to be believed.
_REPEATS = 0.7
# What changes the metric of a lattice by no more than this, relative to its
# lengths, is a symmetry of it.
_IDEAL = 0.03
# How much more it may leave unexplained than what fits best, unless it is as
# near as this.
_WORSE, _SURE = 1.03, 0.005
# How much liker itself the field must be by another lattice than by that of the
# atoms. Beside the number of atoms, what a number of their codes counts. Voxels
# along the walls that are left out, where networks are least sure.
_BETTER, _SPECIES, _EDGE = 0.15, 0.5, 2


def crystal(
  atoms: decoding.DecodedAtoms,
  apart: Float[np.ndarray, 'K E'],
  guess: Float[np.ndarray, '3 3'] | None,
  outputs: Mapping[str, np.ndarray],
  *,
  grid: BoxGrid,
  sigma: float,
) -> Crystal | str:
  """The crystal of the atoms in one box, or why there is none.

  Args:
    atoms: Decoded, on the host.
    apart: Of each the squared distances to the codes of all elements.
    guess: The lattice that is said, rows in Å; None: none.
    outputs: What networks drew: occupancy [G, G, G], codes [G, G, G, C].
    grid: The box.
    sigma: Standard deviation of an atom, Å.
  """
  try:
    cell = _lattice(atoms, guess, outputs, grid.spacing)
    positions, means = nearby.fold(atoms, cell, apart)
    if not len(positions):
      return 'no atom is where its images are'
    positions, cell = _fitted(
      outputs['occupancy'], positions, cell, grid=grid, sigma=sigma
    )
  except ValueError as error:
    return str(error)
  return Crystal(readout.numbers(means), positions, cell)


def candidates(
  atoms: decoding.DecodedAtoms,
  apart: Float[np.ndarray, 'K E'],
  guess: Float[np.ndarray, '3 3'] | None,
  outputs: Mapping[str, np.ndarray],
  *,
  grid: BoxGrid,
) -> list[Crystal]:
  """The crystals by any lattice there is a sign of; takes what `crystal` does.

  Sites and lattices are not fitted.
  """
  cells = []
  for prior in (None, guess):
    try:
      fit = lattice_search.find_lattice(atoms, prior=prior)
    except ValueError:
      continue
    cells += [fit.cell] if fit.found else []
  if guess is not None:
    snapped, _ = autocorrelation.snap(
      autocorrelation.alike(_told(outputs)), grid.spacing, guess
    )
    near = [nearby.fit_near(atoms, cell)[0] for cell in (guess, snapped)]
    cells += [guess, snapped, *near]
  crystals = []
  for cell in cells:
    positions, means = nearby.fold(atoms, cell, apart)
    if len(positions):
      crystals.append(Crystal(readout.numbers(means), positions, cell))
  return crystals


def _lattice(atoms, guess, outputs, spacing):
  """The lattice that repeats the atoms; near the guess, if that does it.

  The atoms may be too wrong to tell. So how alike what the networks drew is to
  itself has a say, if it knows far better.
  """
  cell, share = None, 0.0
  if guess is not None:
    cell, share = nearby.fit_near(atoms, guess)
  if share < _REPEATS:
    fit = lattice_search.find_lattice(atoms, prior=guess)
    cell = fit.cell if fit.found else cell
  if guess is not None:
    likeness = autocorrelation.alike(_told(outputs))
    near, better = autocorrelation.snap(likeness, spacing, guess)
    reduced, _ = lattice.minkowski_reduce(cell)
    (known,) = autocorrelation.score(likeness, spacing, reduced[None])
    if better > known + _BETTER:
      cell, _ = nearby.fit_near(atoms, near)
  if cell is None:
    raise ValueError('no lattice is said, and the atoms show none')
  return lattice.idealize(cell, _IDEAL)


def _told(outputs):
  """Occupancy and species as one field, without the outermost voxels."""
  codes = _SPECIES * np.asarray(outputs['codes'], np.float64)
  codes[..., 0] = 1.0
  field = codes * np.clip(outputs['occupancy'], 0, 1.2)[..., None]
  return field[_EDGE:-_EDGE, _EDGE:-_EDGE, _EDGE:-_EDGE]


def _fitted(occupancy, positions, cell, **box):
  """The sites and the lattice of the least misfit, symmetric if that fits."""
  free = site_refinement.fit_sites(occupancy, positions, cell, **box)
  most = _WORSE * site_refinement.misfit(occupancy, *free, **box)
  symmetric = _idealized(*free, _IDEAL)
  if site_refinement.misfit(occupancy, *symmetric, **box) <= most:
    return symmetric
  return _idealized(*free, _SURE)


def _idealized(positions, cell, tolerance):
  """Sites in the symmetric lattice near their own, and that."""
  ideal = lattice.idealize(cell, tolerance)
  return positions @ np.linalg.inv(cell) @ ideal, ideal
