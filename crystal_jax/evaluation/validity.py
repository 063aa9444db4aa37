"""CDVAE's validity rule for crystals, which published results are gated by.

A structure is valid if no two atoms are closer than 0.5 Å and the volume of the
cell is at least 0.1 Å³. A composition is valid if SMACT finds oxidation states
that sum to zero and agree with the electronegativities; elements and alloys of
metals are valid. A crystal is valid if its structure and composition are.

References:
  Xie et al., arXiv:2110.06197; Davies et al., JOSS 4, 1361 (2019).
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure.contacts import first_contact
from crystal_jax.structure.elements import symbol

# Shortest distance of two atoms of a valid structure, Å.
MIN_VALID_DISTANCE = 0.5
# Smallest volume of a valid cell, Å³.
_MIN_VALID_VOLUME = 0.1


def has_smact() -> bool:
  """Whether `smact`, which knows oxidation states, is installed."""
  return importlib.util.find_spec('smact') is not None


def is_valid(
  numbers: Int[np.ndarray, 'N'],
  positions: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> bool:
  """Whether a crystal is valid; needs `smact`.

  Args:
    numbers: Atomic numbers, without empty slots.
    positions: Å.
    cell: Lattice vectors as rows, Å.
  """
  return is_valid_structure(positions, cell) and is_valid_composition(numbers)


def is_valid_structure(
  positions: Float[np.ndarray, 'N 3'], cell: Float[np.ndarray, '3 3']
) -> bool:
  """Whether the structure of a crystal is valid.

  Args:
    positions: Å.
    cell: Lattice vectors as rows, Å.
  """
  if abs(np.linalg.det(cell)) < _MIN_VALID_VOLUME:
    return False
  return first_contact(positions, cell, MIN_VALID_DISTANCE) is None


def is_valid_composition(numbers: Int[np.ndarray, 'N']) -> bool:
  """Whether the composition of a crystal is valid; needs `smact`.

  Args:
    numbers: Atomic numbers, without empty slots.
  """
  species, counts = np.unique(numbers, return_counts=True)
  divisor = math.gcd(*counts.tolist())
  return is_charge_balanced(
    [symbol(int(number)) for number in species],
    [int(count) // divisor for count in counts],
  )


def is_charge_balanced(symbols: Sequence[str], counts: Sequence[int]) -> bool:
  """Whether a composition is valid; needs `smact`.

  True for elements and alloys of metals, whose charges are not examined.

  Args:
    symbols: Symbols of the elements.
    counts: Atoms of each element in the reduced formula.
  """
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    import smact
    from smact.screening import pauling_test

  if len(symbols) == 1 or all(s in smact.metals for s in symbols):
    return True
  table = smact.element_dictionary(tuple(symbols))
  elements = [table[s] for s in symbols]
  for states in itertools.product(
    *(e.oxidation_states or () for e in elements)
  ):
    if sum(s * n for s, n in zip(states, counts, strict=True)):
      continue
    try:
      if pauling_test(states, [e.pauling_eneg for e in elements]):
        return True
    except TypeError:  # An electronegativity is unknown. CDVAE accepts these.
      return True
  return False
