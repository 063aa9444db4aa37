"""Atoms and a lattice to a crystal: fold, merge images by vote, count once."""

import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax import crystal as crystal_lib
from crystal_jax.decoding import recover

# Images of one site fold onto each other within this, Å.
MERGE = 0.4


class LatticeNotFoundError(ValueError):
  """Atoms were to be folded into a lattice that was not found."""


def assemble(
  atoms, fit: recover.LatticeFit | Float[ArrayLike, '3 3']
) -> crystal_lib.Crystal:
  """The crystal of decoded atoms in a lattice.

  Args:
    atoms: What `decode_density` found, in a box or in a cell.
    fit: What `find_lattice` found, or a cell [3, 3] in Å in the same frame.

  Returns:
    The crystal; each site once, its species by the vote of its images.

  Raises:
    LatticeNotFoundError: If `fit.found` is False.
    ValueError: If there are no atoms, or the cell has no volume.
  """
  if isinstance(fit, recover.LatticeFit):
    if not fit.found:
      raise LatticeNotFoundError(
        f'No lattice was found in the box (score {fit.score:.3f}); pass a cell '
        '[3, 3] in Å instead of the fit to fold the atoms by it.'
      )
    fit = fit.cell
  cell = np.asarray(fit, np.float64)
  if cell.shape != (3, 3) or not abs(np.linalg.det(cell)) > 1e-6:
    raise ValueError(f'Not a cell of three independent vectors: {cell}.')
  keep = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  if not keep.any():
    raise ValueError('No atoms were found inside the walls.')
  places = np.asarray(atoms.positions, np.float64)[keep]
  numbers = np.asarray(atoms.numbers)[keep]
  fractional = places @ np.linalg.inv(cell)
  sites = []
  left = np.ones(len(places), bool)
  for i in range(len(places)):
    if not left[i]:
      continue
    apart = fractional - fractional[i]
    apart -= np.rint(apart)
    same = left & (np.linalg.norm(apart @ cell, axis=1) < MERGE)
    left &= ~same
    values, counts = np.unique(numbers[same], return_counts=True)
    sites.append(
      (values[np.argmax(counts)], fractional[i] + apart[same].mean(axis=0))
    )
  folded = np.array([f for _, f in sites]) % 1.0
  return crystal_lib.Crystal(
    numbers=np.array([z for z, _ in sites], np.int32),
    positions=folded @ cell,
    cell=cell,
  )
