"""Tuned constants of the pursuit of atoms."""

from __future__ import annotations

import dataclasses

from crystal_jax.structure.validation import MIN_DISTANCE


@dataclasses.dataclass(frozen=True)
class PursuitConfig:
  """Which peaks are atoms, and when the pursuit stops. Hashable, static.

  The defaults are for atoms that weigh their atomic number, in Å; all but
  `closest` were chosen by hand, with crystals of mp_le20.

  Attributes:
    closest: Smallest distance of two atoms, Å; closer seeds are one atom.
    lightest: Lightest atom that is kept, where the noise allows: hydrogen
      weighs 1. Seeds of half that weight are tried.
    stand_out: Height of a seed of a further atom, in standard deviations of
      the residual.
    rounds: Maximum number of rounds.
  """

  closest: float = MIN_DISTANCE
  lightest: float = 0.5
  stand_out: float = 5.0
  rounds: int = 12

  def __post_init__(self):
    for name, value in vars(self).items():
      if not value > 0:
        raise ValueError(f'Need a positive {name}, not {value}.')
