"""Least-squares fit of a lattice to all pairs of atoms that it relates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from crystal_jax.lattice_search.box_atoms import BoxAtoms


class LeastSquares(NamedTuple):
  """A lattice that fits all pairs of atoms that it relates.

  Attributes:
    cell: Lattice vectors as rows, Å.
    centre: Centre of the inversion, Å; None: no inversion.
    translations: Pairs related by translations; see `BoxAtoms.pairs`.
    inversions: Pairs related by inversions; None: no inversion.
    rms: Distance of images from their atoms, Å.
  """

  cell: Float[np.ndarray, '3 3']
  centre: Float[np.ndarray, '3'] | None
  translations: tuple[np.ndarray, np.ndarray, np.ndarray]
  inversions: tuple[np.ndarray, np.ndarray, np.ndarray] | None
  rms: float


def fit_lattice(
  box: BoxAtoms,
  cell: Float[np.ndarray, '3 3'],
  centre: Float[np.ndarray, '3'] | None,
) -> LeastSquares | None:
  """The lattice fitted by least squares; None if too many images have no atom.

  Args:
    box: The atoms of the box.
    cell: The lattice, approximately, Å.
    centre: The centre of an inversion, approximately, Å. It is dropped if the
      lattice does not agree with it.
  """
  for _ in range(2):
    translations = box.pairs(cell)
    if translations is None:
      return None
    inversions = None if centre is None else box.pairs(cell, centre)
    first, second, steps = translations
    rows = np.c_[steps, np.zeros(len(steps))]
    values = box.positions[second] - box.positions[first]
    weights = box.inverse_error(first, second)
    if inversions is not None:
      first, second, steps = inversions
      rows = np.concatenate([rows, np.c_[steps, np.ones(len(steps))]])
      sums = box.positions[second] + box.positions[first]
      values = np.concatenate([values, sums])
      weights = np.concatenate([weights, box.inverse_error(first, second)])
    if len(rows) < 4:
      return None
    fit, _, rank, _ = np.linalg.lstsq(
      rows * weights[:, None], values * weights[:, None], rcond=None
    )
    if rank < (3 if inversions is None else 4):
      return None
    cell, centre = fit[:3], None if inversions is None else fit[3]
  rms = np.sqrt(np.mean(np.sum((values - rows @ fit) ** 2, axis=1)))
  return LeastSquares(cell, centre, translations, inversions, float(rms))
