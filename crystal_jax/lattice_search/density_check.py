"""Tests of a lattice on the density that the atoms were found in.

The atoms inside the walls say nothing of those just outside, whose density
reaches into the box. A pseudo-lattice that maps all atoms inside onto each
other fails there: it places atoms that the density lacks, or lacks some.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from jaxtyping import Float

from crystal_jax.decoding import DecodedAtoms
from crystal_jax.lattice_search import box_atoms, density_fit
from crystal_jax.lattice_search.assembly import assemble
from crystal_jax.lattice_search.config import SEARCH
from crystal_jax.lattice_search.lattice_fit import LatticeFit
from crystal_jax.lattice_search.support import Support
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal


def agrees(
  density: Float[np.ndarray, 'G G G'],
  atoms: DecodedAtoms,
  box: box_atoms.BoxAtoms,
  found: Support,
  sigma: float | None,
) -> bool | None:
  """Whether the crystal of a lattice has the density of the box.

  Args:
    density: The density that the atoms were found in.
    atoms: The atoms.
    box: The same atoms, as the lattice search takes them.
    found: The lattice.
    sigma: Standard deviation of an atom, Å, if it is known.

  Returns:
    None if the translations map the density onto itself, but the crystal cannot
    be compared: `sigma` or the side of the box is unknown.
  """
  if not maps_density(density, box, found.cell):
    return False
  if sigma is None or atoms.length is None:
    return None
  try:
    crystal = assemble(atoms, LatticeFit(found.cell, 1.0, True, found.centre))
  except ValueError:  # An atom would touch its own image.
    return False
  options = dict(
    weights=_mean_weights(atoms)[crystal.numbers],
    length=atoms.length,
    sigma=sigma,
  )
  residual = float(atoms.residual)
  if not explains_density(
    density, crystal, **options, residual=residual, tolerance=box.tolerance
  ):
    return False
  return box.tolerance > SEARCH.exact_tolerance or (
    density_fit.explains_walls(density, crystal, **options)
  )


def maps_density(
  density: Float[np.ndarray, 'G G G'],
  box: box_atoms.BoxAtoms,
  cell: Float[np.ndarray, '3 3'],
) -> bool:
  """Whether each lattice vector maps the density onto itself.

  Args:
    density: The density that the atoms were found in.
    box: The atoms of the box.
    cell: Lattice vectors as rows, Å.
  """
  size = len(density)
  spacing = _spacing(density, box)
  for vector in cell:
    shift = np.rint(vector / spacing).astype(int)
    if np.abs(shift).max() > size - 4:
      continue
    here = tuple(slice(max(0, -s), size - max(0, s)) for s in shift)
    there = tuple(slice(max(0, s), size - max(0, -s)) for s in shift)
    a, b = density[here], density[there]
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    if norm > 0 and (a * b).sum() < SEARCH.min_correlation * norm:
      return False
  return True


def explains_density(
  density: Float[np.ndarray, 'G G G'],
  crystal: Crystal,
  *,
  weights: Float[np.ndarray, 'N'],
  length: float,
  sigma: float,
  residual: float,
  tolerance: float,
) -> bool:
  """Whether a periodic crystal has the density of the box, walls included.

  Args:
    density: The density that the atoms were found in.
    crystal: The crystal, in the frame of the box.
    weights: What each of its atoms contributes.
    length: Side of the box, Å.
    sigma: Standard deviation of an atom, Å.
    residual: RMS of the density that the decoded atoms leave, over the RMS of
      the density. That of a crystal whose atoms are those is hardly larger.
    tolerance: Largest distance of an image from its atom, Å: atoms that are
      less exact leave more.
  """
  size = len(density)
  reach = length / 2 + SEARCH.reach * sigma
  sites = np.asarray(crystal.positions, np.float64)
  cell = np.asarray(crystal.cell, np.float64)
  owner, steps = density_fit.images(sites, cell, reach)
  positions, weights = sites[owner] + steps @ cell, weights[owner]
  voxels = (np.arange(size) + 0.5) * (length / size) - length / 2
  factors = density_fit.axis_factors(positions, weights, voxels, sigma)
  model = density_fit.sum_of_products(factors).reshape(density.shape)
  unexplained = np.sqrt(np.mean((density - model) ** 2) / np.mean(density**2))
  limit = 1.1 * residual + SEARCH.max_unexplained * tolerance / sigma
  return bool(unexplained < limit)


def _mean_weights(atoms: DecodedAtoms) -> Float[np.ndarray, 'Z']:
  """Mean weight of the atoms of each species inside the walls, by number.

  It is not the atomic number where the density is scaled, or where a network
  names the species.
  """
  inside = np.asarray(atoms.mask) & np.asarray(atoms.inside)
  numbers = np.asarray(atoms.numbers)[inside]
  weights = np.asarray(atoms.weights, np.float64)[inside]
  means = np.arange(elements.NUM_CLASSES, dtype=np.float64)
  sums = np.bincount(numbers, weights, minlength=len(means))
  counts = np.bincount(numbers, minlength=len(means))
  means[counts > 0] = sums[counts > 0] / counts[counts > 0]
  return means


def _spacing(density, box) -> float:
  """Distance between voxels at which the atoms lie on the density's peaks, Å.

  The walls lie beyond the outermost atom; where atoms form planes, up to twice
  as far.
  """
  size = len(density)
  atoms = box.positions[: box.num_inside]
  tried = box.half_length * np.linspace(1.0, 2.2, 8 * size) / (0.5 * size)
  index = atoms.T[:, None] / tried[:, None] + 0.5 * (size - 1)  # [3, T, N]
  at_atoms = scipy.ndimage.map_coordinates(density, index, order=1)
  return float(tried[at_atoms.mean(axis=1).argmax()])
