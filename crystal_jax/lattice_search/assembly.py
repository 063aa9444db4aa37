"""Assembly of atoms and a lattice to a crystal: images of sites are merged."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.decoding import DecodedAtoms
from crystal_jax.lattice_search.lattice_fit import LatticeFit
from crystal_jax.lattice_search.reliable_atoms import reliable_atoms
from crystal_jax.structure import crystal as crystal_lib
from crystal_jax.structure import lattice, primitive, validation

# Sites closer than this are one site, Å. Slightly above the distance below
# which `read` refuses a file, because numbers in files are rounded.
MERGE_DISTANCE = validation.MIN_DISTANCE + 1e-3


class LatticeNotFoundError(ValueError):
  """`assemble` was called with a lattice that was not found."""


def assemble(
  atoms: DecodedAtoms,
  fit: LatticeFit | Float[ArrayLike, '3 3'],
  *,
  symprec: float | None = None,
) -> crystal_lib.Crystal:
  """The crystal of decoded atoms in a lattice.

  Args:
    atoms: The `DecodedAtoms` of one density, in a box or in a cell.
    fit: The result of `find_lattice`, or a cell [3, 3] in Å in the same frame.
    symprec: Tolerance of the space group, Å. If given, the crystal is made
      exactly symmetric, as a standard primitive cell (needs spglib).

  Returns:
    The crystal, right-handed; each site once, its species by the vote of its
    images.

  Raises:
    LatticeNotFoundError: If `fit.found` is False.
    ValueError: If there are no atoms or the atoms are those of a batch, the
      cell has no volume, or one of its vectors is so short that an atom touches
      its own image.
  """
  if isinstance(fit, LatticeFit):
    if not fit.found:
      raise LatticeNotFoundError(
        f'No lattice was found in the box (score {fit.score:.3f}); pass a cell '
        '[3, 3] in Å instead of the fit to fold the atoms by it.'
      )
    cell, centre = fit.cell, fit.centre
  else:
    cell, centre = np.asarray(fit, np.float64), None
  if cell.shape != (3, 3) or not abs(np.linalg.det(cell)) > 1e-6:
    raise ValueError(f'Not a cell of three independent vectors: {cell}.')
  positions, numbers, _, num_inside, _ = reliable_atoms(atoms)
  if not num_inside:
    raise ValueError('No atoms were found inside the walls.')
  if centre is not None:
    positions = np.concatenate([positions, centre - positions])
    numbers = np.concatenate([numbers, numbers])
  # Atoms inside come first: the others only fill sites that are not seen.
  folded, numbers = _merge(positions, numbers, num_inside, cell)
  crystal = lattice.right_handed(
    crystal_lib.Crystal(numbers=numbers, positions=folded @ cell, cell=cell)
  )
  return crystal if symprec is None else symmetrize(crystal, symprec)


def symmetrize(
  crystal: crystal_lib.Crystal, symprec: float = 0.05
) -> crystal_lib.Crystal:
  """The crystal made exactly symmetric, as a standard primitive cell.

  Args:
    crystal: Any crystal.
    symprec: Largest distance of an atom from its symmetric position, Å.

  Returns:
    The symmetric crystal; the same crystal if no symmetry is found.
  """
  import spglib  # only this option needs it

  crystal = lattice.right_handed(crystal)
  cell = np.asarray(crystal.cell, np.float64)
  fractional = np.asarray(crystal.positions, np.float64) @ np.linalg.inv(cell)
  # spglib's types want sequences; it takes arrays.
  structure: Any = cell, fractional, np.asarray(crystal.numbers)
  found = primitive.quietly(
    spglib.standardize_cell,
    structure,
    to_primitive=True,
    no_idealize=False,
    symprec=symprec,
  )
  if found is None:
    return crystal
  vectors, coordinates, species = (np.asarray(each) for each in found)
  return crystal_lib.Crystal(
    numbers=species.astype(np.int32),
    positions=coordinates @ vectors,
    cell=vectors,
  )


def _merge(positions, numbers, num_inside, cell):
  """Fractional sites [N, 3] and their species by vote.

  The mean of merged atoms may be nearer to another site than the atoms were.
  Sites are therefore merged until none touch; `read` would refuse those.
  """
  reduced, _ = lattice.minkowski_reduce(cell)
  if (shortest := np.linalg.norm(reduced[0])) < MERGE_DISTANCE:
    raise ValueError(
      f'The cell has a lattice vector of {shortest:.2f} Å: each atom would '
      'touch its own image. Pass a cell whose vectors are all longer than '
      f'{MERGE_DISTANCE} Å.'
    )
  sites, groups = positions, [np.array([i]) for i in range(len(positions))]
  while True:
    merged, groups = _merge_once(sites, groups, num_inside, reduced)
    if len(merged) == len(sites):
      break
    sites = merged
  species = []
  for group in groups:
    values, counts = np.unique(numbers[group], return_counts=True)
    species.append(values[np.argmax(counts)])
  fractional = merged @ np.linalg.inv(cell) % 1.0
  return fractional, np.array(species, np.int32)


def _merge_once(sites, groups, num_inside, reduced):
  """Each site merged with all sites that touch it.

  Returns:
    The mean positions, Å, and the indices of the atoms of each.
  """
  inverse = np.linalg.inv(reduced)
  sizes = np.array([len(group) for group in groups])
  seen = np.array([group[0] < num_inside for group in groups])
  remaining = np.ones(len(sites), bool)
  means, joined = [], []
  for i, site in enumerate(sites):
    if not remaining[i]:
      continue
    offset = (sites - site[None]) @ inverse
    offset = (offset - np.rint(offset)) @ reduced
    same = remaining & (np.linalg.norm(offset, axis=1) < MERGE_DISTANCE)
    remaining &= ~same
    if seen[i]:
      same &= seen
    means.append(site + np.average(offset[same], axis=0, weights=sizes[same]))
    joined.append(np.concatenate([groups[j] for j in np.flatnonzero(same)]))
  return np.array(means), joined
