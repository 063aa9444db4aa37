"""Settings of the search for atoms in an occupancy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple


class PeakPass(NamedTuple):
  """Settings of one pass over a field.

  Attributes:
    width: Width of a sharpened atom, in σ.
    seed: Smallest height of a sharpened maximum, as a share of an isolated
      atom's.
    merge_distance: Two atoms nearer than this are merged, voxels.
    rounds: Number of searches: of the field, then of its residuals.
    merges: Number of attempts to replace the two nearest atoms by one between
      them.
  """

  width: float
  seed: float
  merge_distance: float
  rounds: int
  merges: int


# Share of occupancies whose atoms are counted correctly, the first pass alone:
# 95 % of decoded ones; all passes: 98.0 % of decoded and 99.3 % of true ones
# (96.9 % of decoded ones with `decoding` in place of the further passes). The
# further passes find too many atoms, or find them one by one.
PEAK_PASSES = (
  PeakPass(0.85, 0.45, 0.8, 2, 0),
  PeakPass(0.85, 0.45, 0.8, 2, 2),
  PeakPass(0.85, 0.3, 0.5, 4, 2),
  PeakPass(0.75, 0.35, 1.1, 2, 2),
  PeakPass(1.0, 0.3, 0.8, 4, 2),
  PeakPass(0.6, 0.35, 0.6, 3, 2),
)


@dataclasses.dataclass(frozen=True)
class PeakConfig:
  """Settings of `occupancy_peaks.find_peaks`. Static.

  The defaults of `passes`, `max_residual` and `atom_price` were tuned together
  on 608 crystals of mp_le20_val through the codec mp_20 (16³ voxels, σ of 0.9
  voxels); the others were set by hand.

  Attributes:
    passes: Settings of each pass, in order.
    max_residual: Passes end if no residual is larger, in units of an atom's
      height.
    atom_price: Decrease of the sum of squared residuals that an atom must
      bring. An isolated atom brings π^(3/2) σ³, about 4.
    min_height: Smallest fitted height of an atom.
    ridge: Ridge of the sharpening filter; limits the amplification of noise.
    newton_steps: Newton steps in each round.
    max_step: Longest step along an axis, voxels.
  """

  passes: tuple[PeakPass, ...] = PEAK_PASSES
  max_residual: float = 0.33
  atom_price: float = 0.3
  min_height: float = 0.5
  ridge: float = 1e-3
  newton_steps: int = 8
  max_step: float = 0.5

  @classmethod
  def of(cls, fields: Mapping[str, Any]) -> PeakConfig:
    """The defaults, with the fields in which a codec's config differs.

    Args:
      fields: Values by name; `passes` as rows of numbers.

    Raises:
      ValueError: If a field is unknown.
    """
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(fields) - known)
    if unknown:
      raise ValueError(
        f'model.cell.peaks has no fields {unknown}; it has {sorted(known)}.'
      )
    values = dict(fields)
    if 'passes' in values:
      values['passes'] = tuple(PeakPass(*row) for row in values['passes'])
    return cls(**values)
