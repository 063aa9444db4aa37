"""Elements of formulas exchanged for others, as known formulas exchange them.

Two formulas that differ in one element alone, such as NaCl and KCl, are an
exchange. How often each pair of elements is exchanged is learnt from a set of
formulas; no table of charges is needed, since exchanged elements mostly have
the same charge.
"""

from __future__ import annotations

import collections

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure.composition import unit_of


def exchange_shares(
  counts: Int[np.ndarray, 'M E'],
) -> Float[np.ndarray, 'E E']:
  """Probabilities of exchanges that keep how frequent each element is.

  Args:
    counts: Atoms of each element of known cells, by atomic number.

  Returns:
    Each row an element, each column one that it is exchanged for. Rows sum to
    at most one; the rest is the probability that an element stays, by the rule
    of Metropolis. In `counts`, an element is then exchanged as often as others
    are exchanged for it.
  """
  groups: dict[tuple, set[int]] = collections.defaultdict(set)
  for row in np.unique(counts, axis=0):
    unit = unit_of(np.repeat(np.arange(len(row)), row))
    for i, (element, atoms) in enumerate(unit):
      groups[unit[:i] + unit[i + 1 :], atoms].add(element)
  pairs = np.zeros((counts.shape[1],) * 2)
  for group in groups.values():
    members = np.array(sorted(group))
    pairs[np.ix_(members, members)] += 1 / max(1, len(members) - 1)
  np.fill_diagonal(pairs, 0)
  proposed = np.maximum(pairs.sum(1), 1e-9)
  # An element is chosen with the inverse of the elements of its cell.
  present = counts > 0
  frequency = (present / present.sum(1, keepdims=True)).sum(0)
  ratio = frequency / proposed
  accepted = ratio[None] / np.maximum(ratio[:, None], 1e-12)
  return pairs / proposed[:, None] * np.minimum(1, accepted)


def exchanged(
  generator: np.random.Generator,
  counts: Int[np.ndarray, 'B E'],
  shares: Float[np.ndarray, 'E E'],
) -> Int[np.ndarray, 'B E']:
  """Cells with one random element exchanged.

  Args:
    generator: Generator of random numbers.
    counts: Atoms of each element.
    shares: See `exchange_shares`. A cell stays as it is if the element stays,
      or would become one that is in the cell already.
  """
  found = counts.copy()
  for row in found:
    element = generator.choice(np.flatnonzero(row))
    index = np.searchsorted(np.cumsum(shares[element]), generator.random())
    if index < len(row) and not row[index]:
      row[index], row[element] = row[element], 0
  return found
