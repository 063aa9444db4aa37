"""Least-squares fit of sites and lattice to the occupancy of a box.

A box holds many images of each site. Every image takes its own Newton step down
the squared residual, as if the others were fixed; a weighted least squares over
all images then gives the change of sites and lattice. The weight of an image is
the share of it that is inside the box. Sites start close, so few rounds are
needed.

Host NumPy, float64.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from crystal_jax.density import BoxGrid
from crystal_jax.lattice_search import box_atoms

# Tuned, as `_RIDGE`, on crystals of mp_le20_val and a network with position
# errors of 0.1 Å: a fourth round changes nothing.
_ROUNDS = 3
# Images within this distance outside the walls are modelled, in σ. Images
# beyond it move sites by less than 0.001 Å.
_REACH = 1.5
# Longest step of an image along an axis in a round, Å.
_MAX_STEP = 0.3
# Smallest curvature that a step is divided by, as a share of a whole atom's.
_MIN_CURVATURE = 0.05
# Weight of the prior on the lattice: standard deviation of an image's step, Å,
# over that of a lattice vector relative to its length.
_RIDGE = 1.0


def fit_sites(
  occupancy: Float[np.ndarray, 'G G G'],
  sites: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
  *,
  grid: BoxGrid,
  sigma: float,
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, '3 3']]:
  """Sites and lattice fitted to an occupancy by least squares.

  Args:
    occupancy: Gaussians of height one at each image of each site.
    sites: Initial position of one image of each site, Å.
    cell: Initial lattice, rows in Å, in the box's frame.
    grid: The box.
    sigma: Standard deviation of an atom, Å.

  Returns:
    Fitted sites and lattice.
  """
  occupancy = np.asarray(occupancy, np.float64)
  sites, cell = np.array(sites, np.float64), np.array(cell, np.float64)
  ridge = np.diag(_RIDGE / np.linalg.norm(cell, axis=1))
  ridge = np.concatenate([np.zeros((3, len(sites))), ridge], axis=1)
  for _ in range(_ROUNDS):
    site, translation = _images(sites, cell, grid, sigma)
    steps, weights = _steps(
      occupancy, sites[site] + translation @ cell, grid.axis(), sigma
    )
    rows = np.concatenate([np.eye(len(sites))[site], translation], axis=1)
    change = np.stack(
      [
        np.linalg.lstsq(
          np.concatenate([rows * weight[:, None], ridge]),
          np.concatenate([step * weight, np.zeros(3)]),
          rcond=None,
        )[0]
        for step, weight in zip(steps, weights, strict=True)
      ],
      axis=1,
    )
    sites, cell = sites + change[: len(sites)], cell + change[len(sites) :]
  return sites, cell


def squared_residual(
  occupancy: Float[np.ndarray, 'G G G'],
  sites: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
  *,
  grid: BoxGrid,
  sigma: float,
) -> float:
  """Sum of squared residuals of an occupancy; arguments as for `fit_sites`."""
  site, translation = _images(sites, cell, grid, sigma)
  images = np.asarray(sites)[site] + translation @ cell
  _, gaussians = _gaussians(images, grid.axis(), sigma)
  return float(np.square(_residual(occupancy, gaussians)[1]).sum())


def _images(sites, cell, grid, sigma):
  """Site [M] and lattice translation [M, 3] of each modelled image."""
  reach = grid.length / 2 + _REACH * sigma
  translations = [box_atoms.whole_steps(cell, reach, site) for site in sites]
  site = np.repeat(np.arange(len(sites)), [len(each) for each in translations])
  return site, np.concatenate(translations)


def _gaussians(images, axis, sigma):
  """Offsets of voxels from images along each axis, and factors, [3, M, G]."""
  offsets = axis[None, None] - images.T[:, :, None]
  return offsets, np.exp(-0.5 * (offsets / sigma) ** 2)


def _residual(occupancy, gaussians):
  """Products of x and y factors, [M, G, G], and the occupancy's residual."""
  x, y, z = gaussians
  pairs = x[:, :, None] * y[:, None]
  model = pairs.reshape(len(pairs), -1).T @ z
  return pairs, occupancy - model.reshape(occupancy.shape)


def _steps(occupancy, images, axis, sigma):
  """Each image's Newton step, Å, and its weight, [3, M] both."""
  offsets, gaussians = _gaussians(images, axis, sigma)
  slopes = gaussians * offsets / sigma**2
  # Where a wall cuts an atom, a wrong height must not look like a shift: the
  # slopes are made orthogonal to the factors.
  shares = (slopes * gaussians).sum(-1) / (gaussians**2).sum(-1)
  slopes = slopes - shares[..., None] * gaussians
  x, y, z = gaussians
  size = len(axis)
  pairs, residual = _residual(occupancy, gaussians)
  planes = (residual.reshape(-1, size) @ z.T).reshape(size, size, -1)
  gradient = [
    np.einsum('mx,my,xym->m', slopes[0], y, planes, optimize=True),
    np.einsum('mx,my,xym->m', x, slopes[1], planes, optimize=True),
    np.einsum('mz,mxy,xyz->m', slopes[2], pairs, residual, optimize=True),
  ]
  squares = (gaussians**2).sum(-1), (slopes**2).sum(-1)
  curvature = np.stack(
    [
      np.prod([squares[int(k == axis_)][k] for k in range(3)], axis=0)
      for axis_ in range(3)
    ]
  )
  whole = np.pi**1.5 * sigma / 2 / (axis[1] - axis[0]) ** 3
  curvature = curvature / whole
  steps = np.stack(gradient) / whole / np.maximum(curvature, _MIN_CURVATURE)
  weights = np.sqrt(np.minimum(curvature, 1))
  return np.clip(steps, -_MAX_STEP, _MAX_STEP), weights
