"""pymatgen's structure matcher with the tolerances of published results."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from pymatgen.analysis.structure_matcher import StructureMatcher
  from pymatgen.core import Structure


@dataclasses.dataclass(frozen=True)
class PublishedTolerances:
  """Arguments of `StructureMatcher` in published reconstructions.

  Attributes:
    stol: Largest RMS distance of the atoms, (V/N)^(1/3).
    ltol: Largest relative error of a length.
    angle_tol: Largest error of an angle, degrees.
  """

  stol: float = 0.5
  ltol: float = 0.3
  angle_tol: float = 10.0


PUBLISHED = PublishedTolerances()


def published_matcher(*, scale: bool = True) -> StructureMatcher:
  """The matcher of published results.

  Args:
    scale: Whether to rescale crystals to one volume before they are compared,
      as published results do.
  """
  from pymatgen.analysis.structure_matcher import StructureMatcher

  return StructureMatcher(
    ltol=PUBLISHED.ltol,
    stol=PUBLISHED.stol,
    angle_tol=PUBLISHED.angle_tol,
    scale=scale,
  )


def to_structure(crystal: Crystal) -> Structure:
  """Pymatgen's `Structure` of a host crystal without empty slots."""
  from pymatgen.core import Lattice, Structure

  return Structure(
    Lattice(np.asarray(crystal.cell)),
    np.asarray(crystal.numbers).tolist(),
    np.asarray(crystal.positions),
    coords_are_cartesian=True,
    to_unit_cell=True,
  )
