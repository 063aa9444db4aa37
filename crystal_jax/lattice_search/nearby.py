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

from crystal_jax import crystal as crystal_lib
from crystal_jax.lattice_search import box_atoms

# How far translations reach, and how near an atom has to be, Å, in turn.
_STEPS = (4.5, 0.5), (7.0, 0.4), (10.0, 0.35), (14.0, 0.3), (14.0, 0.25)
# Deviations of a decoded place, Å, and of the guess, relative.
_PLACE, _GUESS = 0.05, 0.02
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
    The lattice, and the share of images that should be in the box and are, of
    their species; 0 where none should be.
  """
  places, numbers, _, inner = box_atoms.believed(atoms)
  guess = np.asarray(guess, np.float64)
  trees = {
    number: cKDTree(places[numbers == number]) for number in set(numbers)
  }
  half, cell, share = np.abs(places[:inner]).max(initial=0.0), guess, 0.0
  for reach, tolerance in _STEPS:
    times = box_atoms.whole(cell, 2 * half)
    length = np.linalg.norm(times @ cell, axis=1)
    times = times[(length > 1e-6) & (length <= reach)]
    rows, apart, asked, met = [], [], 0, 0
    for number, tree in trees.items():
      own = places[:inner][numbers[:inner] == number]
      images = own[:, None] + (times @ cell)[None]
      at = np.nonzero((np.abs(images) <= half - _WALL).all(-1))
      far, which = tree.query(images[at], distance_upper_bound=tolerance)
      hit = np.isfinite(far)
      asked, met = asked + len(hit), met + hit.sum()
      rows.append(times[at[1][hit]])
      apart.append(tree.data[which[hit]] - own[at[0][hit]])
    if asked:
      cell = _fitted(np.concatenate(rows), np.concatenate(apart), guess)
      share = met / asked
  return cell, float(share)


def _fitted(times, apart, guess):
  """Least squares of `apart = times @ cell`, the guess weighed in."""
  trust = _PLACE / (_GUESS * np.linalg.norm(guess, axis=1))
  rows = np.concatenate([times, np.diag(trust)])
  values = np.concatenate([apart, trust[:, None] * guess])
  return np.linalg.lstsq(rows, values, rcond=None)[0]


def seen_sites(crystal: crystal_lib.Crystal, atoms) -> crystal_lib.Crystal:
  """Without the sites of which most images that a box should show are missing.

  Args:
    crystal: Folded from the atoms, in their frame.
    atoms: What was decoded in a box.
  """
  places, _, _, inner = box_atoms.believed(atoms)
  half = np.abs(places[:inner]).max(initial=0.0) - _WALL
  tree, keep = cKDTree(places), []
  cell = np.asarray(crystal.cell, np.float64)
  for site in np.asarray(crystal.positions, np.float64):
    images = site + box_atoms.whole(cell, half, site) @ cell
    far, _ = tree.query(images, distance_upper_bound=_NEAR)
    keep.append(not len(far) or np.isfinite(far).mean() >= 0.5)
  keep = np.array(keep, bool)
  return crystal_lib.Crystal(
    crystal.numbers[keep], crystal.positions[keep], crystal.cell
  )
