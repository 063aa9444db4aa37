"""Refinement of a predicted lattice (a prior) by the atoms of a box.

If a prior is within a few percent of the lattice, no search is needed: an image
of each atom, if it is inside the box, is near its position by the prior. Least
squares over all such pairs give the lattice, with the nearest images first.
Along a direction without such pairs the prior stays.

Host NumPy, float64.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.spatial import cKDTree

from crystal_jax.lattice_search import box_atoms
from crystal_jax.lattice_search.reliable_atoms import reliable_atoms


@dataclasses.dataclass(frozen=True)
class PriorFitConfig:
  """Constants of the refinement, tuned on atoms decoded by box30 (mp_le20_val).

  Attributes:
    steps: For each round of least squares, the longest translation and the
      largest distance of an image from its atom, Å.
    position_error: Standard deviation of a decoded position, Å.
    prior_error: Relative standard deviation of the prior.
    wall_margin: Images within this distance inside a wall may be missing, Å.
    site_radius: Atoms within this distance of a site are its images, Å.
    min_found_share: Smallest share of the expected images of a site that is
      found.
  """

  steps: tuple[tuple[float, float], ...] = (
    (4.5, 1.0),
    (6.0, 0.8),
    (8.0, 0.7),
    (11.0, 0.6),
    (14.0, 0.5),
    (14.0, 0.5),
  )
  position_error: float = 0.05
  prior_error: float = 0.05
  wall_margin: float = 0.3
  site_radius: float = 0.6
  min_found_share: float = 0.4


_CONFIG = PriorFitConfig()


def fit_near(
  atoms, prior: Float[ArrayLike, '3 3']
) -> tuple[Float[np.ndarray, '3 3'], float]:
  """The lattice of the atoms of a box, near a prior.

  Args:
    atoms: The `DecodedAtoms` of one density in a box.
    prior: Lattice vectors as rows, Å, in the box's frame.

  Returns:
    The lattice, and the share of the images expected in the box that were
    found; 0 if none is expected.
  """
  positions, _, _, num_inside, _ = reliable_atoms(atoms)
  prior = np.asarray(prior, np.float64)
  tree = cKDTree(positions)
  half = np.abs(positions[:num_inside]).max(initial=0.0)
  cell, share = prior, 0.0
  for reach, tolerance in _CONFIG.steps:
    steps = box_atoms.whole_steps(cell, 2 * half + tolerance)
    length = np.linalg.norm(steps @ cell, axis=1)
    steps = steps[(length > 1e-6) & (length <= reach)]
    images = positions[:num_inside, None] + (steps @ cell)[None]
    outermost = np.abs(images).max(axis=-1)
    atom, image = np.nonzero(outermost <= half + tolerance)
    if not len(atom):
      continue
    distance, nearest = tree.query(
      images[atom, image], distance_upper_bound=tolerance
    )
    found = np.isfinite(distance)
    expected = outermost[atom, image] <= half - _CONFIG.wall_margin
    share = found[expected].mean() if expected.any() else 0.0
    offset = positions[nearest[found]] - positions[atom[found]]
    cell = _fit(steps[image[found]], offset, prior)
  return cell, float(share)


def _fit(steps, offsets, prior):
  """Least squares of `offsets = steps @ cell`, with the prior as a row each."""
  weight = _CONFIG.position_error / (
    _CONFIG.prior_error * np.linalg.norm(prior, axis=1)
  )
  rows = np.concatenate([steps, np.diag(weight)])
  values = np.concatenate([offsets, weight[:, None] * prior])
  return np.linalg.lstsq(rows, values, rcond=None)[0]


def fold(
  atoms, cell: Float[ArrayLike, '3 3'], values: Float[np.ndarray, 'K E']
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, 'N E']]:
  """The sites of a crystal, each the mean of all its images in a box.

  Args:
    atoms: The `DecodedAtoms` of one density in a box, with errors.
    cell: Lattice vectors as rows, Å, in the box's frame.
    values: Values of each atom that are averaged, such as element codes.

  Returns:
    Positions, Å, of the sites with enough of the expected images, and the means
    of their values.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  positions, values = np.asarray(atoms.positions)[inside], values[inside]
  sites, means = np.zeros((0, 3)), np.zeros((0, values.shape[1]))
  if not len(positions):
    return sites, means
  cell = np.asarray(cell, np.float64)
  fractional = positions @ np.linalg.inv(cell)
  wall = np.abs(positions).max() - _CONFIG.wall_margin
  remaining = np.ones(len(positions), bool)

  def members(centre):
    offset = fractional - centre
    offset -= np.rint(offset)
    near = np.linalg.norm(offset @ cell, axis=1) < _CONFIG.site_radius
    return offset, remaining & near

  # The atoms with most images first: spurious atoms have few.
  votes = [members(centre)[1].sum() for centre in fractional]
  for i in np.argsort(votes, kind='stable')[::-1]:
    if not remaining[i]:
      continue
    offset, own = members(fractional[i])
    centre = fractional[i] + offset[own].mean(axis=0)
    offset, more = members(centre)
    own = more if more.any() else own
    remaining[own] = remaining[i] = False
    site = (centre + offset[own].mean(axis=0)) % 1.0 @ cell
    images = site + box_atoms.whole_steps(cell, wall, site) @ cell
    found = np.ones(0, bool)
    if len(images):
      found = cKDTree(positions[own]).query(images)[0] < _CONFIG.site_radius
    if not len(images) or found.mean() >= _CONFIG.min_found_share:
      sites = np.concatenate([sites, site[None]])
      means = np.concatenate([means, values[own].mean(axis=0)[None]])
  return sites, means
