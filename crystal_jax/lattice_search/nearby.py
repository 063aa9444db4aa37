"""The lattice near a guess: what a network says, made exact by the atoms.

Where a guess of the lattice is within a few percent, nothing is left to search:
each atom has an image near where the guess has it, if the box shows one. Least
squares over all such pairs give the lattice, the nearest images first. Along a
direction that shows no image twice the guess stays.

Host NumPy, float64.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Bool, Float
from scipy.spatial import cKDTree

from crystal_jax import crystal as crystal_lib
from crystal_jax.lattice_search import box_atoms

# How far translations reach, and how near an atom has to be, Å, in turn.
_STEPS = (4.5, 0.5), (7.0, 0.4), (10.0, 0.35), (14.0, 0.3), (14.0, 0.25)
# Deviations of a decoded place, Å, and of the guess, relative.
_PLACE, _GUESS = 0.05, 0.05
# An image this near inside of a wall, Å, may be missing.
_WALL = 0.3
# An atom this near to a site is its image, Å.
_NEAR = 0.5


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


def over_images(
  crystal: crystal_lib.Crystal, atoms, values: Float[np.ndarray, 'K E']
) -> tuple[Bool[np.ndarray, 'N'], Float[np.ndarray, 'N E']]:
  """What the images of each site say together.

  Args:
    crystal: Folded from the atoms, in their frame.
    atoms: What was decoded in a box.
    values: What is known of each of them.

  Returns:
    Whether a site shows at least half of the images that the box should show,
    and the means of their values; of a site without any, its nearest atom's.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  places, values = np.asarray(atoms.positions)[inside], values[inside]
  half = np.abs(places).max()
  tree, keep, means = cKDTree(places), [], []
  cell = np.asarray(crystal.cell, np.float64)
  for site in np.asarray(crystal.positions, np.float64):
    images = site + box_atoms.whole(cell, half + _NEAR, site) @ cell
    if not len(images):  # Beyond the walls: nothing shows it.
      keep.append(False)
      means.append(np.zeros(values.shape[1]))
      continue
    far, which = tree.query(images)
    deep = np.abs(images).max(axis=1) <= half - _WALL
    keep.append(not deep.any() or (far[deep] < _NEAR).mean() >= 0.5)
    near = which[far < _NEAR] if (far < _NEAR).any() else which[[far.argmin()]]
    means.append(values[near].mean(axis=0))
  return np.array(keep, bool), np.array(means)
