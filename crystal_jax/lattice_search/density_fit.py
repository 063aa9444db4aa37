"""Least-squares fit of a crystal to the density of a box, all images included.

Decoded atoms are exact to about 0.001 Å. So even the true crystal, made of
them, leaves some of the density, and often more than a pseudo-lattice does that
differs from it outside the walls only. Fitted to the density, the true crystal
leaves rounding errors and noise, and the mean of a slight superstructure leaves
as much inside the box as near its walls. A pseudo-lattice leaves more near the
walls, where the atoms outside reach into the box.
"""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.lattice_search import box_atoms
from crystal_jax.lattice_search.config import SEARCH
from crystal_jax.structure.crystal import Crystal


def explains_walls(
  density: Float[np.ndarray, 'G G G'],
  crystal: Crystal,
  *,
  weights: Float[np.ndarray, 'N'],
  length: float,
  sigma: float,
) -> bool:
  """Whether a fitted crystal leaves no more near the walls than inside.

  Positions, lattice and one weight a species are fitted.

  Args:
    density: The density of the box.
    crystal: The crystal in the frame of the box, exact to a few 0.01 Å.
    weights: What each of its atoms contributes, approximately.
    length: Side of the box, Å.
    sigma: Standard deviation of an atom, Å.
  """
  size = len(density)
  # So few parameters need no more than one point a standard deviation.
  stride = max(1, round(sigma * size / length))
  index = np.arange((stride - 1) // 2, size, stride)
  points = (index + 0.5) * (length / size) - length / 2
  target = density[np.ix_(index, index, index)].ravel()
  exact = SEARCH.max_unexplained_exact * np.sqrt(np.mean(target**2))
  sites = np.asarray(crystal.positions, np.float64)
  cell = np.asarray(crystal.cell, np.float64)
  numbers = np.asarray(crystal.numbers)
  of_species = numbers == np.unique(numbers)[:, None]
  owner, steps = images(sites, cell, length / 2 + SEARCH.fit_reach * sigma)
  bounds = np.searchsorted(owner, np.arange(len(sites) + 1))
  for _ in range(SEARCH.fit_rounds):
    positions = sites[owner] + steps @ cell
    offset = points - positions[..., None]  # [I, 3, G]
    factors = axis_factors(positions, weights[owner], points, sigma)
    by_site = _by_site(factors, bounds)
    residual = target - by_site.sum(axis=0)
    rms = np.sqrt(np.mean(residual**2))
    if rms < exact:
      return True
    columns = _derivatives(factors, offset / sigma**2, steps, bounds)
    columns = np.concatenate([columns, of_species @ by_site])
    change = _solve(columns, residual)
    shifts = change[: -len(of_species)].reshape(3, -1).T
    shifts = np.clip(shifts, -SEARCH.max_fit_step, SEARCH.max_fit_step)
    sites, cell = sites + shifts[: len(sites)], cell + shifts[len(sites) :]
    weights = weights * (1 + change[-len(of_species) :] @ of_species)
  # No atom outside the walls reaches there, unless the box is small.
  depth = max(length / 2 - SEARCH.reach * sigma, length / 4)
  inside = np.abs(points) < depth
  inner = residual.reshape((len(points),) * 3)[np.ix_(inside, inside, inside)]
  inner_rms = np.sqrt(np.mean(inner**2))
  return bool(rms < SEARCH.max_wall_ratio * inner_rms)


def images(
  sites: Float[np.ndarray, 'N 3'], cell: Float[np.ndarray, '3 3'], reach: float
) -> tuple[Int[np.ndarray, 'I'], Int[np.ndarray, 'I 3']]:
  """The site, in order, and the lattice steps of all images in a cube.

  Args:
    sites: Positions, Å.
    cell: Lattice vectors as rows, Å.
    reach: Half the side of the cube, Å.
  """
  steps = [box_atoms.whole_steps(cell, reach, site) for site in sites]
  owner = np.repeat(np.arange(len(sites)), [len(each) for each in steps])
  return owner, np.concatenate(steps)


def axis_factors(
  positions: Float[np.ndarray, 'I 3'],
  weights: Float[np.ndarray, 'I'],
  points: Float[np.ndarray, 'G'],
  sigma: float,
) -> Float[np.ndarray, 'I 3 G']:
  """The factor along each axis of each atom's Gaussian, at the points.

  Args:
    positions: Positions, Å.
    weights: What each atom contributes; the factor along x has it.
    points: Coordinates along an axis, Å, the same for the three.
    sigma: Standard deviation of an atom, Å.
  """
  offset = points - positions[..., None]
  factors = np.exp(-0.5 * (offset / sigma) ** 2)
  factors[:, 0] *= weights[:, None] * (2 * np.pi * sigma**2) ** -1.5
  return factors


def sum_of_products(
  factors: Float[np.ndarray, 'I 3 G'],
  weights: Float[np.ndarray, 'I'] | float = 1.0,
) -> Float[np.ndarray, 'V']:
  """The weighted sum over atoms of the products of their factors, V = G³."""
  x, y, z = np.moveaxis(factors, 1, 0)
  planes = (y[:, :, None] * z[:, None]).reshape(len(y), -1)
  return ((x.T * weights) @ planes).ravel()


def _derivatives(factors, slopes, steps, bounds) -> Float[np.ndarray, 'P V']:
  """The model's, by axis: by the sites, then by the lattice vectors."""
  rows = []
  for axis in range(3):
    moved = factors.copy()
    moved[:, axis] *= slopes[:, axis]
    rows.append(_by_site(moved, bounds))
    rows.append(np.stack([sum_of_products(moved, step) for step in steps.T]))
  return np.concatenate(rows)


def _by_site(factors, bounds) -> Float[np.ndarray, 'N V']:
  """The density of each site, all its images summed."""
  pairs = itertools.pairwise(bounds)
  return np.stack([sum_of_products(factors[a:b]) for a, b in pairs])


def _solve(columns, values) -> Float[np.ndarray, 'P']:
  """Least squares; a parameter that changes nothing stays."""
  norms = np.linalg.norm(columns, axis=1)
  norms = np.maximum(norms, 1e-9 * norms.max())
  columns = columns / norms[:, None]
  normal = columns @ columns.T + 1e-6 * np.eye(len(columns))
  return np.linalg.solve(normal, columns @ values) / norms
