"""Translations by which a field in a box is like itself, and lattices of them.

Where atoms are decoded with errors, or some are missing, their lattice is lost
to a search that goes from atom to atom, but the field as a whole still repeats.
How alike it is to itself moved by t, over what both show,

  Σ F(r) · F(r + t) / sqrt(Σ |F(r)|² Σ |F(r + t)|²),

is an autocorrelation, which takes a few FFTs. Its maxima are the vectors of the
lattice, and those that only nearly are.

Host NumPy, float64.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import ArrayLike, Float

from crystal_jax.lattice_search import box_atoms

# All below were tuned on crystals of mp_le20_val and a network that errs by
# 0.1 Å.

# Å; lengths along each axis that the box shows well enough.
_REACH, _SEEN = 7.4, 6.7
# Maxima of at least so much are looked at, so many of them.
_LEAST, _MOST = 0.3, 60
# A vector of the guess is taken for one of so many maxima within, Å; what 1 Å
# of the way costs.
_WAYS, _FAR, _PRICE = 8, 2.0, 0.03
# Volumes, of the guess's.
_VOLUMES = 0.55, 1.6
# Half of the shortest translations of a lattice.
_SHORT = np.array(
  [n for n in itertools.product((-1, 0, 1), repeat=3) if n > (0, 0, 0)]
)


def alike(field: Float[ArrayLike, 'G G G C']) -> Float[np.ndarray, 'M M M']:
  """How alike a field is to itself, by translation.

  Args:
    field: In a box of G voxels a side.

  Returns:
    From -1 to 1; index t stands for t voxels, or t - M of them, M = 2 G.
  """
  field = np.asarray(field, np.float64)
  shape = (2 * len(field),) * 3

  def waves(values):
    return scipy.fft.rfftn(values, shape, axes=(0, 1, 2))

  def space(spectrum):
    return scipy.fft.irfftn(spectrum, shape)

  products = space(np.square(np.abs(waves(field))).sum(axis=-1))
  size = waves(np.square(field).sum(axis=-1))
  box = waves(np.ones(field.shape[:3]))
  sizes = space(size.conj() * box) * space(size * box.conj())
  # Nothing is like itself where both show nothing.
  sizes = np.maximum(sizes, 1e-12 * products.flat[0] ** 2 + 1e-30)
  return products / np.sqrt(sizes)


def score(
  likeness: Float[np.ndarray, 'M M M'],
  spacing: float,
  cells: Float[np.ndarray, 'L 3 3'],
) -> Float[np.ndarray, 'L']:
  """How alike a field is to itself moved by the short vectors of lattices.

  Args:
    likeness: As `alike` gives it.
    spacing: Of its voxels, Å.
    cells: Reduced lattices, rows in Å.

  Returns:
    A mean over the vectors that the box shows; -1 where they are too few.
  """
  moves = np.einsum('kn,lnj->lkj', _SHORT, cells)
  seen = np.abs(moves).max(axis=-1) <= _SEEN
  values = scipy.ndimage.map_coordinates(
    likeness, moves.reshape(-1, 3).T / spacing, order=1, mode='grid-wrap'
  ).reshape(seen.shape)
  count = seen.sum(axis=1)
  mean = (values * seen).sum(axis=1) / np.maximum(count, 1)
  return np.where(count >= 3, mean, -1.0)


def snap(
  likeness: Float[np.ndarray, 'M M M'],
  spacing: float,
  guess: Float[ArrayLike, '3 3'],
) -> tuple[Float[np.ndarray, '3 3'], float]:
  """The lattice of likest translations near a guess.

  Args:
    likeness: As `alike` gives it.
    spacing: Of its voxels, Å.
    guess: Lattice vectors as rows, Å; off by up to 2 Å each.

  Returns:
    The lattice and its `score`; the guess and -1 if there is none.
  """
  guess = np.asarray(guess, np.float64)
  maxima = _maxima(likeness, spacing)
  choices = []
  for vector in guess:
    far = np.linalg.norm(maxima - vector, axis=1)
    near = [i for i in np.argsort(far)[:_WAYS] if far[i] < _FAR]
    choices.append([(maxima[i], far[i]) for i in near] or [(vector, _FAR)])
  every = list(itertools.product(*choices))
  cells = np.array([[vector for vector, _ in one] for one in every])
  price = _PRICE * np.array([sum(far for _, far in one) for one in every])
  share = np.abs(np.linalg.det(cells) / np.linalg.det(guess))
  kept = (share > _VOLUMES[0]) & (share < _VOLUMES[1])
  if not kept.any():
    return guess, -1.0
  cells, price = cells[kept], price[kept]
  scores = score(likeness, spacing, cells)
  best = (scores - price).argmax()
  return cells[best], float(scores[best])


def _maxima(likeness, spacing):
  """The largest maxima and their opposites, [T, 3], Å."""
  size = len(likeness)
  top = likeness == scipy.ndimage.maximum_filter(likeness, 3, mode='wrap')
  index = np.argwhere(top & (likeness > _LEAST))
  steps = (index + size // 2) % size - size // 2
  length = np.linalg.norm(steps, axis=1) * spacing
  kept = (np.abs(steps).max(axis=1) * spacing <= _REACH) & (
    length >= box_atoms.SHORTEST
  )
  steps = steps[kept]
  value = likeness[tuple(index[kept].T)]
  order = np.argsort(-value)[: 2 * _MOST]
  steps, value = steps[order], value[order]
  offsets = np.zeros(steps.shape)
  for axis, step in enumerate(np.eye(3, dtype=int)):
    # The top of the parabola through three voxels.
    low, high = (
      likeness[tuple(((steps + sign * step) % size).T)] for sign in (-1, 1)
    )
    bend = low - 2 * value + high
    offsets[:, axis] = 0.5 * (low - high) / np.where(bend < 0, bend, np.inf)
  return (steps + np.clip(offsets, -0.5, 0.5)) * spacing
