"""Translations and inversions that map the atoms of a box onto each other.

Every difference of two atoms of one species is a candidate translation, and
every sum a candidate inversion.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.lattice_search.box_atoms import BoxAtoms
from crystal_jax.lattice_search.config import SEARCH


def find_operations(
  box: BoxAtoms,
  sign: int = 1,
  start: Int[np.ndarray, '...'] | None = None,
  max_operations: int = SEARCH.max_translations,
) -> tuple[Float[np.ndarray, 'T 3'], Int[np.ndarray, 'T']]:
  """Operations that relate two atoms and that `BoxAtoms` does not reject.

  Args:
    box: The atoms of the box.
    sign: 1 for translations, shortest first; -1 for inversions, those that
      relate most atoms first.
    start: Atoms to start from; None: all.
    max_operations: Maximum number of operations to return.

  Returns:
    Shifts, Å, and the number of atoms that each maps onto another one.
  """
  start = np.arange(box.num_inside) if start is None else start
  difference = np.abs(box.numbers[start, None] - box.numbers[None])
  i, j = np.nonzero(difference <= box.max_number_difference)
  i = start[i]
  shifts = box.positions[j] - sign * box.positions[i]
  if sign == 1:
    shifts *= np.where(shifts[:, :1] < 0, -1, 1)
    size = np.linalg.norm(shifts, axis=1)
    keep = size >= SEARCH.min_length
  else:
    keep, size = i < j, np.abs(shifts).max(axis=1)
  shifts, size = shifts[keep], size[keep]
  key = np.rint(shifts / box.tolerance).astype(np.int64)
  _, index = np.unique(key @ np.array([1, 2**14, 2**28]), return_index=True)
  shifts = shifts[index[np.argsort(size[index])]]
  found, counts = np.zeros((0, 3)), []
  for chunk in np.array_split(shifts, len(shifts) // 512 + 1):
    probes = box.from_centre[: SEARCH.num_probes]
    chunk = chunk[~box.rejects(chunk, sign, probes)]
    for mean, count in zip(*_means(box, chunk, sign), strict=True):
      distance = np.linalg.norm(found - mean[None], axis=1)
      if not (distance < 0.05 + 2 * box.tolerance).any():
        found = np.concatenate([found, mean[None]])
        counts.append(count)
    if len(found) >= max_operations:
      break
  pairs = np.array(counts, int)
  size = np.linalg.norm(found, axis=1) if sign == 1 else -pairs
  order = np.argsort(size, kind='stable')[:max_operations]
  return found[order], pairs[order]


def rarest_atom(box: BoxAtoms) -> Int[np.ndarray, '1']:
  """Index of the middle atom of the rarest species of four or more atoms."""
  numbers = box.numbers[box.from_centre]
  values, counts = np.unique(numbers, return_counts=True)
  rarest = values[np.argmin(np.where(counts > 3, counts, 999))]
  return box.from_centre[numbers == rarest][:1]


def _means(box, shifts, sign):
  """Operations that are not rejected, averaged over their pairs of atoms.

  Returns:
    Shifts, Å, and the number of pairs of each.
  """
  shifts = shifts[~box.rejects(shifts, sign)]
  owner, _ = box.match(shifts, sign)
  all_sites = np.arange(len(box.positions))
  paired = (owner >= 0) & (owner != all_sites)
  counts = paired.sum(axis=1)
  same = paired & (box.numbers[owner] == box.numbers)
  keep = (counts >= 2) & (
    same.sum(axis=1) >= SEARCH.min_same_species_share * counts
  )
  owner, paired, counts = owner[keep], paired[keep], counts[keep]
  weight = np.where(paired, box.inverse_error(all_sites, owner) ** 2, 0)
  offset = box.positions[owner] - sign * box.positions
  means = np.einsum('ta,tak->tk', weight, offset) / weight.sum(1)[:, None]
  return means, counts
