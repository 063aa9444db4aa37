"""The lattice near a guess: what a network says, made exact by the atoms.

Where a guess of the lattice is within a few percent, nothing is left to search:
each atom has an image near where the guess has it, if the box shows one. Least
squares over all such pairs give the lattice, the nearest images first. Along a
direction that shows no image twice the guess stays.

Host NumPy, float64.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.spatial import cKDTree

from crystal_jax.lattice_search import box_atoms

# How far translations reach, and how near an atom has to be, Å, in turn.
_STEPS = (
  (4.5, 1.0),
  (6.0, 0.8),
  (8.0, 0.7),
  (11.0, 0.6),
  (14.0, 0.5),
  (14.0, 0.5),
)
# Deviations of a decoded place, Å, and of the guess, relative.
_PLACE, _GUESS = 0.05, 0.05
# An image this near inside of a wall, Å, may be missing.
_WALL = 0.3
# An atom this near to a site is its image, Å; the share of the images that must
# have been found for a site to be one.
_NEAR, _SEEN = 0.6, 0.4


def fit_near(
  atoms, guess: Float[ArrayLike, '3 3']
) -> tuple[Float[np.ndarray, '3 3'], float]:
  """The lattice that the atoms of a box have, near a guess.

  Args:
    atoms: What was decoded in a box.
    guess: Lattice vectors as rows, Å, in the box's frame.

  Returns:
    The lattice, and the share of images that should be in the box and are; 0
    where none should be.
  """
  places, numbers, _, inner = box_atoms.believed(atoms)
  guess = np.asarray(guess, np.float64)
  tree = cKDTree(places)
  half, cell, share = np.abs(places[:inner]).max(initial=0.0), guess, 0.0
  for reach, tolerance in _STEPS:
    times = box_atoms.whole(cell, 2 * half + tolerance)
    length = np.linalg.norm(times @ cell, axis=1)
    times = times[(length > 1e-6) & (length <= reach)]
    images = places[:inner, None] + (times @ cell)[None]
    outermost = np.abs(images).max(axis=-1)
    atom, image = np.nonzero(outermost <= half + tolerance)
    if not len(atom):
      continue
    far, which = tree.query(images[atom, image], distance_upper_bound=tolerance)
    hit, deep = np.isfinite(far), outermost[atom, image] <= half - _WALL
    share = hit[deep].mean() if deep.any() else 0.0
    apart = places[which[hit]] - places[atom[hit]]
    cell = _fitted(times[image[hit]], apart, guess)
  return cell, float(share)


def _fitted(times, apart, guess):
  """Least squares of `apart = times @ cell`, the guess weighed in."""
  trust = _PLACE / (_GUESS * np.linalg.norm(guess, axis=1))
  rows = np.concatenate([times, np.diag(trust)])
  values = np.concatenate([apart, trust[:, None] * guess])
  return np.linalg.lstsq(rows, values, rcond=None)[0]


def fold(
  atoms, cell: Float[ArrayLike, '3 3'], values: Float[np.ndarray, 'K E']
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, 'N E']]:
  """The sites of a crystal, each the mean of all its images in a box.

  Args:
    atoms: What was decoded in a box, with errors.
    cell: The lattice, rows in Å, in the box's frame.
    values: What is known of each atom.

  Returns:
    Positions in Å of the sites of which enough images were found, of those that
    the box should show; and the means of their values.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  places, values = np.asarray(atoms.positions)[inside], values[inside]
  sites, means = np.zeros((0, 3)), np.zeros((0, values.shape[1]))
  if not len(places):
    return sites, means
  cell = np.asarray(cell, np.float64)
  fractional = places @ np.linalg.inv(cell)
  wall, left = np.abs(places).max() - _WALL, np.ones(len(places), bool)

  def members(centre):
    apart = fractional - centre
    apart -= np.rint(apart)
    return apart, left & (np.linalg.norm(apart @ cell, axis=1) < _NEAR)

  # The atoms with most images first: ghosts have few.
  votes = [members(centre)[1].sum() for centre in fractional]
  for i in np.argsort(votes, kind='stable')[::-1]:
    if not left[i]:
      continue
    apart, own = members(fractional[i])
    centre = fractional[i] + apart[own].mean(axis=0)
    apart, more = members(centre)
    own = more if more.any() else own
    left[own] = left[i] = False
    site = (centre + apart[own].mean(axis=0)) % 1.0 @ cell
    images = site + box_atoms.whole(cell, wall, site) @ cell
    far, _ = cKDTree(places[own]).query(images) if len(images) else (images, 0)
    if not len(images) or (far < _NEAR).mean() >= _SEEN:
      sites = np.concatenate([sites, site[None]])
      means = np.concatenate([means, values[own].mean(axis=0)[None]])
  return sites, means
