"""Tuned constants of refinement, with overrides by a codec's card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

# Entry of a card with the fields in which a codec differs from the defaults.
ENTRY = 'refine'


@dataclasses.dataclass(frozen=True)
class RefineConfig:
  """Constants of the refinement of decoded crystals.

  A residual here is the mean over the latent of ((mean - z) / std)²: 0 if `z`
  is the latent of the crystal, about 1 if `z` is a sample of its posterior.
  The defaults were tuned on mp_20 with 400 crystals of mp_le20_val; the fields
  marked (hand) were set by hand and never varied.

  Attributes:
    sure_residual: Decoded crystals with a smaller residual are certain, and
      `refine='auto'` does not refine them: all of 400 were correct.
    sure_spacing: Voxel spacing, Å, above which a crystal is refined in spite of
      a small residual, as in slabs: networks misplace atoms by a share of a
      voxel (0.16 Å in a platinum slab of residual 0.03). One in twenty crystals
      of mp_le20_val has such voxels.
    sure_error: Expected error, Å, below which such a crystal is not refined:
      the spacing times the square root of the residual.
    exact_residual: A smaller residual is that of the latent's own crystal. A
      refined crystal is certain if its residual is smaller than this, or that
      of a sample of the posterior.
    sample_residual: Bounds of the residual of a sample of the posterior.
    sample_evenness: Largest ratio of the residual to its robust estimate by the
      median for a sample of the posterior: a wrong atom changes few numbers.
    certain_vector: Longest vector of the reduced lattice of a certain crystal,
      Å. A box whose atoms are right does not show a longer period. inf: any.
    starts: Number of candidate crystals that are refined, those of smallest
      residual.
    max_edits: Maximum number of edits of one atom, in sequence: substitutions,
      removals and additions.
    substitutions: Number of substituted crystals that are encoded, ranked by
      the gradient.
    joint_edits: Number of the best edits of a large crystal that are tried
      together (hand).
    exchanges: Number of pairs of neighbours of a large crystal that are
      exchanged, ranked by the gradient (hand).
    exchange_distance: Longest distance of such a pair, Å (hand).
    removals: Number of crystals without one atom that are encoded, ranked by
      the gradient.
    additions: Number of positions at which an atom is added.
    peak_distance: Shortest distance between two of these positions, Å (hand).
    peak_occupancy: Smallest missing occupancy at such a position; that of an
      isolated atom is 1 (hand).
    encoded_twice: Number of edited crystals that are encoded again after a
      linear step.
    refined_additions: Number of added atoms whose crystal takes Gauss-Newton
      steps.
    addition_steps: Number of those steps; joint edits of a large crystal take
      as many.
    addition_share: Atoms are added if the best other edit keeps more than this
      share of the residual.
    min_gain: Smallest decrease of the sum of squared residuals by an edit.
    min_gain_share: Smallest decrease as a share of the sum; both must be met.
    max_steps: Maximum number of Gauss-Newton steps.
    dense_atoms: Largest number of atoms for which steps use a pseudoinverse.
      Larger crystals, if their lattice is exact, use conjugate gradients (hand:
      64 atoms of the 24³ codec take a sixth of the time).
    iterations: Iterations of conjugate gradients in a step (hand).
    max_displacement: Longest displacement of an atom in a step, Å.
    max_strain: Largest component of the lattice's strain in a step.
    singular_cutoff: Singular values of the Jacobian below this share of the
      largest are left out.
    reuse_share: If a step leaves less than this share of the residual, the next
      step uses the same Jacobian.
    stop_share: Steps end with one that leaves more than this share.
    float_residual: Steps end below this residual, which float32 cannot resolve.
    enough_residual: With `refine='auto'`, steps end below this residual.
    seconds: Budget of one crystal, s of wall time; no step and no edit begins
      after it, and the best crystal so far is the result. inf: no limit.
  """

  sure_residual: float = 0.3
  sure_spacing: float = 0.8
  sure_error: float = 0.03
  exact_residual: float = 0.01
  sample_residual: tuple[float, float] = (0.75, 1.25)
  sample_evenness: float = 1.25
  certain_vector: float = float('inf')
  starts: int = 3
  max_edits: int = 6
  substitutions: int = 24
  joint_edits: int = 8
  exchanges: int = 8
  exchange_distance: float = 2.0
  removals: int = 8
  additions: int = 4
  peak_distance: float = 0.7
  peak_occupancy: float = 0.15
  encoded_twice: int = 8
  refined_additions: int = 2
  addition_steps: int = 3
  addition_share: float = 0.5
  min_gain: float = 20.0
  min_gain_share: float = 0.05
  max_steps: int = 8
  dense_atoms: int = 24
  iterations: int = 10
  max_displacement: float = 0.3
  max_strain: float = 0.03
  singular_cutoff: float = 1e-3
  reuse_share: float = 0.3
  stop_share: float = 0.8
  float_residual: float = 1e-8
  enough_residual: float = 1e-8
  seconds: float = float('inf')

  @classmethod
  def from_card(cls, card: Mapping[str, Any]) -> Self:
    """The defaults, with the fields of `card['refine']` replaced.

    Raises:
      ValueError: If a field is unknown or of another type.
    """
    fields = card.get(ENTRY, {})
    defaults = cls()
    if not isinstance(fields, Mapping):
      raise ValueError(f'Need {ENTRY}={fields!r} of a card to be an object.')
    known: dict[str, Any] = {}
    for name, value in fields.items():
      default = getattr(defaults, name, None)
      if name not in cls.__dataclass_fields__ or not _is_like(value, default):
        raise ValueError(
          f'{ENTRY}.{name}={value!r} of a card is no field of RefineConfig, or '
          f'not of the type of {default!r}.'
        )
      known[name] = tuple(value) if isinstance(value, list) else value
    return cls(**known)


def _is_like(value: Any, default: Any) -> bool:
  """Whether a JSON value has the type of a default."""
  if isinstance(value, bool):
    return False
  if isinstance(default, tuple):
    return (
      isinstance(value, list)
      and len(value) == len(default)
      and all(_is_like(each, default[0]) for each in value)
    )
  if isinstance(default, float):
    return isinstance(value, int | float)
  return isinstance(value, int) and 0 <= value <= 1000
