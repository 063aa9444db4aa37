"""Published, gated and strict match of one decoded crystal with the true one.

The published measure is pymatgen's `StructureMatcher(stol=0.5, angle_tol=10,
ltol=0.3)`: match, and the RMS distance of the atoms over (V/N)^(1/3), where V/N
is the volume per atom. The matcher rescales both crystals to one volume, and
tolerates lengths that differ by a tenth. The *strict* match is not so tolerant:
it needs the same number of atoms in the primitive cell, a lattice mapping
within 1 % and 1°, a volume within 2 %, and an RMS distance of at most 0.02
(V/N)^(1/3) without rescaling. In published figures, crystals that fail the rule
of `validity` also count as misses: that is the *gated* match.

None of the three distinguishes a crystal from its mirror image.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import TYPE_CHECKING

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.published_matcher import (
  PUBLISHED,
  published_matcher,
  to_structure,
)
from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from pymatgen.core import Lattice, Structure

# Reasons of a miss; the first one that applies counts.
REASONS = (
  'refused',  # The codec does not encode it.
  'no crystal',  # Nothing was decoded.
  'failed',  # The comparison crashed or took too long.
  'count',  # Another number of atoms in the primitive cell.
  'species',  # Another formula.
  'lattice',  # No basis of its lattice is near the true one.
  'positions',  # Atoms are too far from the true ones.
)

_NAN = float('nan')


@dataclasses.dataclass(frozen=True)
class StrictTolerances:
  """Largest errors of a strict match.

  Attributes:
    length: Relative error of a length.
    angle: Error of an angle, degrees.
    volume: Relative error of the volume.
    rmse: RMS distance of the atoms, (V/N)^(1/3).
  """

  length: float = 0.01
  angle: float = 1.0
  volume: float = 0.02
  rmse: float = 0.02


STRICT = StrictTolerances()


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Comparison of one decoded crystal with the true one.

  Attributes:
    match: Whether the published matcher matches them.
    rmse: RMS distance of the atoms, (V/N)^(1/3). NaN without a match.
    strict: Whether they match strictly.
    formula_exact: Whether the reduced formula is the same.
    count_exact: Whether the primitive cell has the same number of atoms.
    volume_error: Relative error of the volume per atom.
    length_error: Largest relative error of the three lengths of the reduced
      cell, in the basis that agrees best.
    angle_error: Largest error of its three angles, degrees.
    valid_true: Whether the true crystal is valid. None: not evaluated.
    valid_found: Whether the decoded crystal is valid. None: not evaluated.
    reason: One of `REASONS` for a miss, else empty.
    detail: Error message, if there is one.
  """

  match: bool = False
  rmse: float = _NAN
  strict: bool = False
  formula_exact: bool = False
  count_exact: bool = False
  volume_error: float = _NAN
  length_error: float = _NAN
  angle_error: float = _NAN
  valid_true: bool | None = None
  valid_found: bool | None = None
  reason: str = ''
  detail: str = ''


def compare_pair(
  pair: tuple[Crystal, Crystal | str | None], *, gate: bool = False
) -> Comparison:
  """Compares a decoded crystal (second) with the true one (first).

  Args:
    pair: Host crystals without empty slots. In place of the decoded crystal,
      None or the reason why there is none.
    gate: Whether to evaluate `validity` too; needs `smact`.
  """
  true, found = pair
  is_valid = functools.partial(_is_valid, gate=gate)
  if not isinstance(found, Crystal):
    detail = found or ''
    return Comparison(
      valid_true=is_valid(true),
      valid_found=False if gate else None,
      reason='refused' if detail.startswith('refused') else 'no crystal',
      detail=detail,
    )
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # pymatgen warns about most crystals.
    result = _compare_structures(to_structure(true), to_structure(found))
  return dataclasses.replace(
    result, valid_true=is_valid(true), valid_found=is_valid(found)
  )


def _is_valid(crystal: Crystal, *, gate: bool) -> bool | None:
  if not gate:
    return None
  return validity.is_valid(
    np.asarray(crystal.numbers),
    np.asarray(crystal.positions),
    np.asarray(crystal.cell),
  )


def _compare_structures(true: Structure, found: Structure) -> Comparison:
  distance = published_matcher().get_rms_dist(true, found)
  primitive_true = true.get_primitive_structure()
  primitive_found = found.get_primitive_structure()
  # A tolerance may reduce one of two nearly equal cells and not the other.
  same_size = len(true) == len(found)
  count = same_size or len(primitive_true) == len(primitive_found)
  formula = true.composition.reduced_composition.almost_equals(
    found.composition.reduced_composition
  )
  cells = (true, found) if same_size else (primitive_true, primitive_found)
  length_error, angle_error = _lattice_errors(*(s.lattice for s in cells))
  result = Comparison(
    match=distance is not None,
    rmse=_NAN if distance is None else float(distance[0]),
    strict=formula and _is_strict(primitive_true, primitive_found),
    formula_exact=formula,
    count_exact=count,
    volume_error=abs(found.volume / len(found) / (true.volume / len(true)) - 1),
    length_error=length_error,
    angle_error=angle_error,
  )
  reason = '' if result.match else _miss_reason(result)
  return dataclasses.replace(result, reason=reason)


def _miss_reason(missed: Comparison) -> str:
  if not missed.count_exact:
    return 'count'
  if not missed.formula_exact:
    return 'species'
  if missed.length_error > PUBLISHED.ltol:
    return 'lattice'
  return 'lattice' if missed.angle_error > PUBLISHED.angle_tol else 'positions'


def _is_strict(true: Structure, found: Structure) -> bool:
  """Whether primitive structures of one formula match strictly."""
  if len(true) != len(found):
    return False
  if abs(found.volume / true.volume - 1) > STRICT.volume:
    return False
  # Niggli cells jump where two of their conditions are nearly equal, so any
  # basis with the same lengths and angles counts.
  mapping = true.lattice.find_mapping(
    found.lattice, STRICT.length, STRICT.angle
  )
  if mapping is None:
    return False
  distance = published_matcher(scale=False).get_rms_dist(true, found)
  return distance is not None and bool(distance[0] <= STRICT.rmse)


def _lattice_errors(true: Lattice, found: Lattice) -> tuple[float, float]:
  """Largest relative error of a length, and of an angle in degrees.

  The reduced decoded cell is compared with the nearest basis of the true
  lattice: reduced cells jump under small strains, which is not an error.
  """
  true = true.get_niggli_reduced_lattice()
  found = found.get_niggli_reduced_lattice()
  mappings = true.find_all_mappings(
    found, ltol=0.1, atol=10.0, skip_rotation_matrix=True
  )
  errors = [
    (
      max(abs(np.divide(found.lengths, basis.lengths) - 1)),
      max(abs(np.subtract(found.angles, basis.angles))),
    )
    for basis in (true, *(basis for basis, _, _ in mappings))
  ]
  best = min(errors, key=lambda e: e[0] / STRICT.length + e[1] / STRICT.angle)
  return float(best[0]), float(best[1])
