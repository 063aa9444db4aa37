"""Tuned constants of refinement, and how a codec's card overrides them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

# The card's entry that holds the fields in which a codec differs.
ENTRY = 'refine'


@dataclasses.dataclass(frozen=True)
class RefineConfig:
  """When a decoded crystal is refined, and how.

  A residual here is the mean over the latent of ((mean - z) / std)²: 0 if `z`
  is the latent of the crystal, about 1 if `z` is a sample of its posterior.
  The defaults were tuned on mp_20 with 400 crystals of mp_le20_val; the fields
  marked (hand) were set by hand and never varied.

  Attributes:
    sure_residual: A crystal that was read off a latent with a smaller residual
      is certain, and `refine='auto'` does not refine it: none of 400 was wrong.
    sure_spacing: Å; where a voxel is longer, as in slabs, it is refined even
      so: networks misplace atoms by a share of a voxel (0.16 Å in a platinum
      slab of residual 0.03). One in twenty crystals of mp_le20_val has one.
    sure_error: Å; but not if the expected error, that spacing times the square
      root of the residual, is less.
    exact_residual: A residual below this is that of the latent's own crystal. A
      refined crystal is certain if its residual is, or is a sample's.
    sample_residual: Bounds of the residual of a sample of the posterior.
    sample_evenness: Bound of the residual over its robust estimate by the
      median, where it is a sample's: a wrong atom concentrates it in few
      numbers.
    starts: Candidate crystals that are refined from, those of smallest
      residual.
    max_edits: Substitutions, removals and additions of one atom, in sequence.
    substitutions: Substituted crystals that are encoded, by the gradient.
    joint_edits: Maximum number of edits of a large crystal that are made
      together (hand).
    exchanges: Pairs of neighbours of a large crystal that are exchanged, by the
      gradient (hand).
    exchange: Å; longest distance of such a pair (hand).
    removals: Crystals without one atom that are encoded, by the gradient.
    additions: Positions at which an atom is added.
    peak_distance: Å; shortest distance between two of these (hand).
    peak_occupancy: Smallest missing occupancy there; a lone atom's is 1 (hand).
    encoded_twice: Edited crystals that are encoded again after a linear step.
    refined_additions: Added atoms whose crystal takes Gauss-Newton steps.
    addition_steps: Number of those steps; joint edits of a large crystal take
      as many.
    addition_share: Atoms are added if the best other edit keeps more than this
      share of the residual.
    min_gain: An edit has to lower the sum of squared residuals by this,
    min_gain_share: and by this share of it.
    max_steps: Gauss-Newton steps.
    dense_atoms: A crystal of more atoms, whose lattice is exact, takes steps by
      conjugate gradients instead of a pseudoinverse (hand: 64 atoms of the
      24³ codec take a sixth of the time).
    iterations: Iterations of conjugate gradients in a step (hand).
    max_displacement: Å; longest displacement of an atom in a step.
    max_strain: Largest component of the lattice's strain in a step.
    singular_cutoff: Singular values of the Jacobian below this share of the
      largest are left out.
    reuse_share: A step that leaves less than this share of the residual keeps
      its Jacobian for the next.
    stop_share: Steps end with one that leaves more than this share.
    float_residual: Steps end below this; float32 resolves no less.
  """

  sure_residual: float = 0.3
  sure_spacing: float = 0.8
  sure_error: float = 0.03
  exact_residual: float = 0.01
  sample_residual: tuple[float, float] = (0.75, 1.25)
  sample_evenness: float = 1.25
  starts: int = 3
  max_edits: int = 6
  substitutions: int = 24
  joint_edits: int = 8
  exchanges: int = 8
  exchange: float = 2.0
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

  @classmethod
  def from_card(cls, card: Mapping[str, Any]) -> Self:
    """The defaults, with what `card['refine']` says of this codec.

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
