"""The rule by which published results call a crystal valid.

CDVAE's: no two atoms nearer than 0.5 Å, a volume above 0.1 Å³, and charges that
balance: SMACT finds oxidation states of the elements that sum to zero and suit
their electronegativities. Elements and alloys of metals pass.

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

# Å.
CLOSEST = 0.5
# Å³.
_SMALLEST = 0.1


def has_smact() -> bool:
  """Whether the package that knows oxidation states is installed."""
  return importlib.util.find_spec('smact') is not None


def is_valid(
  numbers: Int[np.ndarray, 'N'],
  positions: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> bool:
  """Whether a crystal passes the rule; needs `smact`.

  Args:
    numbers: Atomic numbers, no empty slots.
    positions: Å.
    cell: Lattice vectors as rows, Å.
  """
  if abs(np.linalg.det(cell)) < _SMALLEST:
    return False
  if first_contact(positions, cell, CLOSEST) is not None:
    return False
  species, counts = np.unique(numbers, return_counts=True)
  divisor = math.gcd(*counts.tolist())
  return balances(
    [symbol(int(number)) for number in species],
    [int(count) // divisor for count in counts],
  )


def balances(symbols: Sequence[str], counts: Sequence[int]) -> bool:
  """Whether charges can balance in a composition; needs `smact`."""
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
    except TypeError:  # No electronegativity is known: given the doubt.
      return True
  return False
