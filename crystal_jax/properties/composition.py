"""Compositions: element fractions, and splits that keep a formula together.

Crystals of one formula are often near duplicates. An error is held out only if
no crystal of the same reduced formula was fitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from crystal_jax.structure.elements import MAX_NUMBER

Numbers = Sequence[Int[np.ndarray, 'N']]


def element_fractions(numbers: Numbers) -> Float[np.ndarray, 'B E']:
  """Share of each element among the atoms; column Z - 1 is atomic number Z.

  Args:
    numbers: Atomic numbers of each crystal; zeros are empty slots.
  """
  fractions = np.zeros((len(numbers), MAX_NUMBER), np.float32)
  for row, atoms in zip(fractions, numbers, strict=True):
    atoms = np.asarray(atoms)
    counts = np.bincount(atoms[atoms > 0], minlength=MAX_NUMBER + 1)
    row += counts[1:] / np.maximum(counts.sum(), 1)
  return fractions


def formula_groups(numbers: Numbers) -> Int[np.ndarray, 'B']:
  """An index of each crystal's reduced formula; equal formulas share one."""
  groups: dict[tuple, int] = {}
  found = []
  for atoms in numbers:
    atoms = np.asarray(atoms)
    species, counts = np.unique(atoms[atoms > 0], return_counts=True)
    counts = counts // max(np.gcd.reduce(counts), 1) if len(counts) else counts
    key = tuple(species.tolist()), tuple(counts.tolist())
    found.append(groups.setdefault(key, len(groups)))
  return np.array(found, int)


def group_folds(
  groups: Int[np.ndarray, 'B'], folds: int, seed: int = 0
) -> list[Bool[np.ndarray, 'B']]:
  """Masks of held-out crystals; each group is in one fold.

  Args:
    groups: Group of each crystal, such as `formula_groups`.
    folds: Number of folds, at most the number of groups.
    seed: Random seed of the assignment.

  Raises:
    ValueError: If there are fewer than two groups.
  """
  names, index = np.unique(groups, return_inverse=True)
  if len(names) < 2:
    raise ValueError(
      f'Need at least two groups to hold some out, not {len(names)}.'
    )
  folds = min(folds, len(names))
  order = np.random.default_rng(seed).permutation(len(names))
  return [order[index] % folds == i for i in range(folds)]
