"""Sites and lattice by least squares on the occupancy of a box.

A box shows a site many times, each time a little wrong. Every image takes its
own Newton step down the misfit, as if it were alone; the steps of all images
together say how sites and lattice are to change, the more of an image is in the
box the more it counts. The sites have been found, so few rounds are enough.

Host NumPy, float64.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.density import BoxGrid
from crystal_jax.lattice_search import box_atoms

# Tuned, as `_TRUST`, on crystals of mp_le20_val and a network that errs by
# 0.1 Å: a fourth round changes nothing.
_ROUNDS = 3
# Images at most so far outside of the walls are drawn, in σ; what farther ones
# leave in the box moves nothing by more than 0.001 Å.
_BEYOND = 1.5
# Å; no image moves farther in a round.
_STEP = 0.3
# Of the curvature of a whole atom the least that a step is divided by.
_CURVED = 0.05
# Deviation of an image's step, Å, over that of a lattice vector, of its length.
_TRUST = 1.0


def fit_sites(
  occupancy: Float[ArrayLike, 'G G G'],
  sites: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'],
  *,
  grid: BoxGrid,
  sigma: float,
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, '3 3']]:
  """Sites and lattice that explain an occupancy better.

  Args:
    occupancy: A Gaussian of height one at each image of each site.
    sites: Positions in Å of one image each, nearly right.
    cell: The lattice, rows in Å, in the box's frame; nearly right.
    grid: The box.
    sigma: Standard deviation of an atom, Å.

  Returns:
    The same, moved.
  """
  occupancy = np.asarray(occupancy, np.float64)
  sites, cell = np.array(sites, np.float64), np.array(cell, np.float64)
  trust = np.diag(_TRUST / np.linalg.norm(cell, axis=1))
  trust = np.concatenate([np.zeros((3, len(sites))), trust], axis=1)
  for _ in range(_ROUNDS):
    own, times = _images(sites, cell, grid, sigma)
    steps, counts = _steps(
      occupancy, sites[own] + times @ cell, grid.axis(), sigma
    )
    rows = np.concatenate([np.eye(len(sites))[own], times], axis=1)
    change = np.stack(
      [
        np.linalg.lstsq(
          np.concatenate([rows * count[:, None], trust]),
          np.concatenate([step * count, np.zeros(3)]),
          rcond=None,
        )[0]
        for step, count in zip(steps, counts, strict=True)
      ],
      axis=1,
    )
    sites, cell = sites + change[: len(sites)], cell + change[len(sites) :]
  return sites, cell


def misfit(
  occupancy: Float[ArrayLike, 'G G G'],
  sites: Float[ArrayLike, 'N 3'],
  cell: Float[ArrayLike, '3 3'],
  *,
  grid: BoxGrid,
  sigma: float,
) -> float:
  """The sum of squares of what sites and lattice leave of an occupancy.

  Args: as of `fit_sites`.
  """
  own, times = _images(sites, cell, grid, sigma)
  images = np.asarray(sites)[own] + times @ cell
  _, gaussians = _gaussians(images, grid.axis(), sigma)
  return float(np.square(_left(occupancy, gaussians)[1]).sum())


def _images(sites, cell, grid, sigma):
  """Of each image that is drawn its site, and the translation to it."""
  reach = grid.length / 2 + _BEYOND * sigma
  times = [box_atoms.whole(cell, reach, site) for site in sites]
  own = np.repeat(np.arange(len(sites)), [len(some) for some in times])
  return own, np.concatenate(times)


def _gaussians(images, axis, sigma):
  """From each image to the voxels of each axis, and its factors, [3, M, G]."""
  apart = axis[None, None] - images.T[:, :, None]
  return apart, np.exp(-0.5 * (apart / sigma) ** 2)


def _left(occupancy, gaussians):
  """Products of pairs of factors, [M, G, G], and what the images leave."""
  x, y, z = gaussians
  pairs = x[:, :, None] * y[:, None]
  drawn = pairs.reshape(len(pairs), -1).T @ z
  return pairs, occupancy - drawn.reshape(occupancy.shape)


def _steps(occupancy, images, axis, sigma):
  """Each image's Newton step, Å, and how much it counts, [3, M] both."""
  apart, gaussians = _gaussians(images, axis, sigma)
  slopes = gaussians * apart / sigma**2
  # Where a wall cuts an atom, one that is drawn too low must not seem to lie
  # farther out: what a height explains is left out of the slopes.
  shares = (slopes * gaussians).sum(-1) / (gaussians**2).sum(-1)
  slopes = slopes - shares[..., None] * gaussians
  x, y, z = gaussians
  size = len(axis)
  pairs, left = _left(occupancy, gaussians)
  planes = (left.reshape(-1, size) @ z.T).reshape(size, size, -1)
  pulls = [
    np.einsum('mx,my,xym->m', slopes[0], y, planes, optimize=True),
    np.einsum('mx,my,xym->m', x, slopes[1], planes, optimize=True),
    np.einsum('mz,mxy,xyz->m', slopes[2], pairs, left, optimize=True),
  ]
  seen = (gaussians**2).sum(-1), (slopes**2).sum(-1)
  curved = np.stack(
    [
      np.prod([seen[int(k == along)][k] for k in range(3)], axis=0)
      for along in range(3)
    ]
  )
  whole = np.pi**1.5 * sigma / 2 / (axis[1] - axis[0]) ** 3
  curved = curved / whole
  steps = np.stack(pulls) / whole / np.maximum(curved, _CURVED)
  return np.clip(steps, -_STEP, _STEP), np.sqrt(np.minimum(curved, 1))
