"""Least-squares fit of a lattice to all pairs of atoms that it relates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from crystal_jax.lattice_search.box_atoms import Points


class LeastSquares(NamedTuple):
  """A lattice that fits all pairs of atoms that it relates.

  Attributes:
    cell: Lattice vectors as rows, Å.
    centre: Centre of the inversion, Å; None: no inversion.
    translations: Pairs related by translations; see `Points.pairs`.
    inversions: Pairs related by inversions; None: no inversion.
    rms: Distance of images from their atoms, Å.
  """

  cell: Float[np.ndarray, '3 3']
  centre: Float[np.ndarray, '3'] | None
  translations: tuple[np.ndarray, np.ndarray, np.ndarray]
  inversions: tuple[np.ndarray, np.ndarray, np.ndarray] | None
  rms: float


def fit_lattice(
  points: Points,
  cell: Float[np.ndarray, '3 3'],
  centre: Float[np.ndarray, '3'] | None,
) -> LeastSquares | None:
  """The lattice fitted by least squares; None if too many images have no atom.

  Args:
    points: The atoms.
    cell: The lattice, approximately, Å.
    centre: The centre of an inversion, approximately, Å. It is dropped if the
      lattice does not agree with it.
  """
  for _ in range(2):
    translations = points.pairs(cell)
    if translations is None:
      return None
    inversions = None if centre is None else points.pairs(cell, centre)
    first, second, steps = translations
    rows = np.c_[steps, np.zeros(len(steps))]
    values = points.positions[second] - points.positions[first]
    precision = points.precision(first, second)
    if inversions is not None:
      first, second, steps = inversions
      rows = np.concatenate([rows, np.c_[steps, np.ones(len(steps))]])
      sums = points.positions[second] + points.positions[first]
      values = np.concatenate([values, sums])
      precision = np.concatenate([precision, points.precision(first, second)])
    if len(rows) < 4:
      return None
    weight = precision[:, None]
    fit, _, rank, _ = np.linalg.lstsq(
      rows * weight, values * weight, rcond=None
    )
    if rank < (3 if inversions is None else 4):
      return None
    cell, centre = fit[:3], None if inversions is None else fit[3]
  rms = np.sqrt(np.mean(np.sum((values - rows @ fit) ** 2, axis=1)))
  return LeastSquares(cell, centre, translations, inversions, float(rms))
