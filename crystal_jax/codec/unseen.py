"""Detection of crystals of a kind that a codec was not trained on.

The card's entry `seen` has the range of atoms in the primitive cell, and, for
codecs of few kinds, the anonymous formulas: {"atoms": [5, 5], "formulas":
["ABC3", ..]}. The networks were not trained on latents of other crystals.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from crystal_jax.structure import primitive
from crystal_jax.structure.crystal import Crystal

# Entry of the card.
ENTRY = 'seen'


def anonymous_formula(numbers: ArrayLike) -> str:
  """Anonymous formula of a crystal, such as ABC3.

  Args:
    numbers: Atomic numbers [N]; 0 marks an empty slot.
  """
  numbers = np.asarray(numbers)
  _, counts = np.unique(numbers[numbers > 0], return_counts=True)
  counts = np.sort(counts // np.gcd.reduce(counts))
  letters = string.ascii_uppercase + string.ascii_lowercase
  return ''.join(
    f'{letters[i]}{n if n > 1 else ""}' for i, n in enumerate(counts.tolist())
  )


def reason(crystal: Crystal, card: Mapping[str, Any]) -> str | None:
  """Why a crystal is of a kind that a codec was not trained on, or None.

  Args:
    crystal: One crystal, in any cell.
    card: Card of the codec.
  """
  seen = card.get(ENTRY)
  if not seen:
    return None
  least, most = seen['atoms']
  count = int((np.asarray(crystal.numbers) > 0).sum())
  if count > most:  # Only then the search for a smaller cell is needed.
    count = len(primitive.primitive_numbers(crystal))
  if not least <= count <= most:
    known = f'{least}' if least == most else f'{least} to {most}'
    return f'{count} atoms in the primitive cell, where it has seen {known}'
  formulas = seen.get('formulas')
  own = anonymous_formula(crystal.numbers)
  if formulas and own not in formulas:
    return f'formula {own}, where it has seen {", ".join(formulas)}'
  return None


def message(crystals: Sequence[Any], card: Mapping[str, Any]) -> str | None:
  """Warning for a batch; None if the codec was trained on all its kinds.

  Args:
    crystals: Crystals; other objects are ignored.
    card: Card of the codec.
  """
  reasons = {
    index: why
    for index, crystal in enumerate(crystals)
    if isinstance(crystal, Crystal) and (why := reason(crystal, card))
  }
  if not reasons:
    return None
  index, why = next(iter(reasons.items()))
  formula = crystals[index].to_ase().get_chemical_formula()
  return (
    f'{card.get("name", "This codec")} was trained on no crystals like '
    f'{len(reasons)} of these {len(crystals)}, such as number {index}, '
    f'{formula}: {why}. What it gives back may be another crystal; trust only '
    'what is certain, or take a codec of more kinds, such as mp_20.'
  )


def is_valid(entry: Any) -> bool:
  """Whether a card's entry has the form that this module reads."""
  if not isinstance(entry, Mapping):
    return False
  atoms, formulas = entry.get('atoms'), entry.get('formulas', [])
  return (
    isinstance(atoms, list)
    and len(atoms) == 2
    and all(type(n) is int and 0 < n <= 10_000 for n in atoms)
    and isinstance(formulas, list)
    and len(formulas) <= 100
    and all(isinstance(f, str) and len(f) <= 100 for f in formulas)
  )
