"""Whether the crystal that came back is the one that went in.

The published measure is pymatgen's `StructureMatcher(stol=0.5, angle_tol=10,
ltol=0.3)`: match, and the RMS distance of the atoms over (V/N)^(1/3). It
rescales, and forgives lengths that are off by a tenth. So a *strict* match is
given beside it: as many atoms in the primitive cell, a lattice that maps within
1 % and 1°, a volume within 2 %, and atoms within 0.02 of (V/N)^(1/3) without
rescaling. Published numbers also call a miss what their rule of validity
(`validity`) does not pass; that is the *gated* match.

Neither tells a crystal from its mirror image.

Every crystal is in the denominator: what fails in any way is a miss.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.isolated import Failure, guarded
from crystal_jax.structure.crystal import Crystal

_log = logging.getLogger(__name__)

# Of `StructureMatcher`, as published reconstructions are scored.
PUBLISHED = {'stol': 0.5, 'angle_tol': 10, 'ltol': 0.3}
# Of a strict match: lengths, degrees, volume, RMS distance over (V/N)^(1/3).
_LENGTHS, _ANGLES, _VOLUME, _RMSE = 0.01, 1.0, 0.02, 0.02
# Why a crystal is missed; the first that applies.
REASONS = (
  'refused',  # It was not encoded.
  'no crystal',  # Nothing came back.
  'failed',  # The comparison crashed or took too long.
  'count',  # Another number of atoms in the primitive cell.
  'species',  # Another formula.
  'lattice',  # No basis of it is near the true one.
  'place',  # Atoms too far off.
)

_NAN = float('nan')


@dataclasses.dataclass(frozen=True)
class Comparison:
  """One crystal against the truth.

  Attributes:
    match: Whether the published matcher matches them.
    rmse: RMS distance of the atoms over (V/N)^(1/3); NaN without a match.
    strict: Whether they match strictly, see above.
    formula_exact: Whether the reduced formula is the same.
    count_exact: Whether there are as many atoms in the primitive cell.
    volume_error: Of the volume an atom, relative.
    length_error: Of the three lengths of the reduced cell the largest,
      relative, in the basis that fits best.
    angle_error: Of its angles the largest, degrees.
    valid_true: Whether the truth passes the rule of validity; None where that
      was not asked for or `smact` is missing.
    valid_found: The same of what came back.
    reason: Of a miss, one of `REASONS`; else empty.
    detail: What was said of it, where something was.
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


def compare(
  true: Sequence[Crystal],
  found: Sequence[Crystal | str | None],
  *,
  gate: bool = False,
  workers: int | None = None,
  progress: bool = True,
  time_limit: float = 60.0,
) -> list[Comparison]:
  """Compares crystals one to one, in parallel.

  Args:
    true: The crystals that went in.
    found: What came back of each: a crystal, None, or the reason why there is
      none. A reason that begins with 'refused' says that it never went in.
    gate: Whether to ask for validity too; needs `smact`, and leaves it out with
      one line in the log where that is missing.
    workers: Processes; see `guarded`. 0: this one.
    progress: Whether to show a progress bar.
    time_limit: Seconds that one pair may take.

  Raises:
    ValueError: If there are not as many of one as of the other.
  """
  if len(true) != len(found):
    raise ValueError(
      f'{len(true)} true crystals and {len(found)} found ones; each true one '
      'needs its own, or None.'
    )
  if gate and not validity.has_smact():
    _log.warning(
      'smact is not installed: the gated columns are left out. '
      "pip install 'crystal_jax[eval]' brings it."
    )
    gate = False
  results = guarded(
    functools.partial(compare_one, gate=gate),
    [(_plain(t), _plain(f)) for t, f in zip(true, found, strict=True)],
    workers=workers,
    time_limit=time_limit,
    progress='matching' if progress else '',
  )
  return [
    Comparison(reason='failed', detail=result.reason)
    if isinstance(result, Failure)
    else result
    for result in results
  ]


def compare_columns(
  columns: Mapping[
    str, tuple[Sequence[Crystal], Sequence[Crystal | str | None]]
  ],
  **options,
) -> dict[str, list[Comparison]]:
  """`compare` of several pairs of lists, by name, with one start of processes.

  Args:
    columns: True crystals and found ones.
    **options: As `compare` takes them.
  """
  every = compare(
    [crystal for true, _ in columns.values() for crystal in true],
    [crystal for _, found in columns.values() for crystal in found],
    **options,
  )
  rest = iter(every)
  return {
    name: list(itertools.islice(rest, len(true)))
    for name, (true, _) in columns.items()
  }


def compare_one(
  pair: tuple[Crystal, Crystal | str | None], *, gate: bool = False
) -> Comparison:
  """Compares one crystal with the true one (the first of the two)."""
  true, found = pair
  valid = functools.partial(_valid, gate=gate)
  if not isinstance(found, Crystal):
    detail = found or ''
    return Comparison(
      valid_true=valid(true),
      valid_found=False if gate else None,
      reason='refused' if detail.startswith('refused') else 'no crystal',
      detail=detail,
    )
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # Of pymatgen, on every other crystal.
    result = _compare_structures(_structure(true), _structure(found))
  return dataclasses.replace(
    result, valid_true=valid(true), valid_found=valid(found)
  )


def _plain(crystal):
  """Without empty slots and JAX arrays, which another process need not see."""
  if not isinstance(crystal, Crystal):
    return crystal
  numbers = np.asarray(crystal.numbers)
  full = numbers > 0
  positions = np.asarray(crystal.positions, np.float64)[full]
  return Crystal(numbers[full], positions, np.asarray(crystal.cell, np.float64))


def _valid(crystal, *, gate) -> bool | None:
  if not gate:
    return None
  return validity.is_valid(crystal.numbers, crystal.positions, crystal.cell)


def _structure(crystal):
  from pymatgen.core import Lattice, Structure

  return Structure(
    Lattice(crystal.cell),
    crystal.numbers,
    crystal.positions,
    coords_are_cartesian=True,
    to_unit_cell=True,
  )


def _compare_structures(true, found) -> Comparison:
  from pymatgen.analysis.structure_matcher import StructureMatcher

  distance = StructureMatcher(**PUBLISHED).get_rms_dist(true, found)
  small_true = true.get_primitive_structure()
  small_found = found.get_primitive_structure()
  count = len(small_true) == len(small_found) or len(true) == len(found)
  formula = true.composition.reduced_composition.almost_equals(
    found.composition.reduced_composition
  )
  # A tolerance may make one of two like crystals smaller, and not the other.
  alike = (
    (true, found) if len(true) == len(found) else (small_true, small_found)
  )
  length_error, angle_error = _lattice_errors(*(s.lattice for s in alike))
  result = Comparison(
    match=distance is not None,
    rmse=_NAN if distance is None else float(distance[0]),
    strict=formula and _is_strict(small_true, small_found),
    formula_exact=formula,
    count_exact=count,
    volume_error=abs(found.volume / len(found) / (true.volume / len(true)) - 1),
    length_error=length_error,
    angle_error=angle_error,
  )
  reason = '' if result.match else _reason(result)
  return dataclasses.replace(result, reason=reason)


def _reason(missed: Comparison) -> str:
  if not missed.count_exact:
    return 'count'
  if not missed.formula_exact:
    return 'species'
  if missed.length_error > PUBLISHED['ltol']:
    return 'lattice'
  return 'lattice' if missed.angle_error > PUBLISHED['angle_tol'] else 'place'


def _is_strict(true, found) -> bool:
  """Of primitive structures."""
  from pymatgen.analysis.structure_matcher import StructureMatcher

  if len(true) != len(found):
    return False
  if abs(found.volume / true.volume - 1) > _VOLUME:
    return False
  # Niggli cells jump where two of their conditions are nearly equal; so the
  # same lengths and angles are looked for in any basis.
  if true.lattice.find_mapping(found.lattice, _LENGTHS, _ANGLES) is None:
    return False
  matcher = StructureMatcher(scale=False, **PUBLISHED)
  distance = matcher.get_rms_dist(true, found)
  return distance is not None and bool(distance[0] <= _RMSE)


def _lattice_errors(true, found) -> tuple[float, float]:
  """Largest errors of lengths, relative, and of angles, degrees.

  Of the reduced cell that was found, against the basis of the true lattice that
  is nearest to it: reduced cells jump, and a jump is no error.
  """
  true = true.get_niggli_reduced_lattice()
  found = found.get_niggli_reduced_lattice()
  near = true.find_all_mappings(
    found, ltol=0.1, atol=10.0, skip_rotation_matrix=True
  )
  errors = [
    (
      max(abs(np.divide(found.lengths, basis.lengths) - 1)),
      max(abs(np.subtract(found.angles, basis.angles))),
    )
    for basis in (true, *(basis for basis, _, _ in near))
  ]
  best = min(errors, key=lambda e: e[0] / _LENGTHS + e[1] / _ANGLES)
  return float(best[0]), float(best[1])
