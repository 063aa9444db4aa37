"""Tolerances of the lattice search, from the scatter of translations."""

from __future__ import annotations

import numpy as np

from crystal_jax.lattice_search import box_atoms
from crystal_jax.lattice_search.config import SEARCH
from crystal_jax.lattice_search.operation_search import (
  find_operations,
  rarest_atom,
)


def tolerance_steps(atoms) -> list[tuple[float, int, float]]:
  """Tolerance, difference of atomic numbers and missing share to try in turn.

  The translations that hold at a wide tolerance say how exact the atoms are. A
  tolerance wider than that would take a pseudo-translation for a true one; a
  narrower one would miss true translations.
  """
  noisy_species = SEARCH.noisy_number_difference, SEARCH.noisy_missing_share
  exact = [(t, 0, 0.0) for t in SEARCH.tolerances]
  noisy = [(t, *noisy_species) for t in SEARCH.tolerances[2:]]
  box = box_atoms.BoxAtoms.of(atoms, 0.25, *noisy_species)
  if box is None:
    return []
  for start in (rarest_atom(box), None):
    shifts, counts = find_operations(
      box, start=start, max_operations=SEARCH.max_operations
    )
    shifts = shifts[counts >= SEARCH.min_scatter_pairs]
    if len(shifts):
      break
  else:
    return exact[:-1]
  owner, _ = box.match(shifts)
  paired = owner >= 0
  offset = box.positions[owner] - box.positions - shifts[:, None]
  scatter = np.where(paired, np.linalg.norm(offset, axis=-1), np.nan)
  scatter = np.nanmedian(scatter, axis=1)
  differs = paired & (box.numbers[owner] != box.numbers)
  wrong = differs.sum(axis=1) / paired.sum(axis=1)
  if np.any((scatter < SEARCH.exact_tolerance / 2) & (wrong == 0)):
    return exact[:1]
  # Not all translations are true; the true ones have the least scatter and the
  # fewest wrong species.
  many = counts[counts >= SEARCH.min_scatter_pairs] >= counts.max() / 2
  typical = np.quantile(scatter[many], 0.2)
  steps = []
  has_wrong_species = np.quantile(wrong[many], 0.4) > 0
  for each in [noisy] if has_wrong_species else [exact[1:], noisy]:
    wide = [step for step in each if step[0] >= 3 * typical]
    steps += wide[:2] or each[-1:]
  # Pseudo-translations of many pairs may hide true ones of few.
  return exact[:1] + steps
