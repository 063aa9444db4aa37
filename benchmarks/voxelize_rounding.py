"""What float32 rounds off where a density is many single peaks high.

  python -m benchmarks.voxelize_rounding   # minutes

The worst voxel against a float64 sum over all images, of the highest single
atom's peak.
"""

import numpy as np

import crystal_jax as cj
from tests import reference

BOX, CELL = cj.BoxGrid(10.0, 14), cj.CellGrid(16)
ONE_ATOM = [  # edges in Å, angles, sigma in Å
  (1.5, 90, 1.0),
  (1.5, 40, 1.0),
  (1.5, 90, 1.5),
  (1.5, 40, 1.2),
  (1.5, 60, 1.5),
  (1.5, 25, 1.0),
  (1.5, 25, 1.5),
  (2.0, 25, 1.2),
  (2.9, 25, 1.5),
]
MANY_ATOMS = [(10.0, 1.5), (6.0, 1.0), (7.0, 1.5)]  # edge and sigma in Å
RANDOM = 60


def main():
  rng = np.random.default_rng(0)
  print('| crystal | density, peaks | box | cell grid |\n|---|---|---|---|')
  for edge, angle, sigma in ONE_ATOM:
    cell = reference.triclinic((edge,) * 3, (angle,) * 3)
    atoms = np.array([[0.3, 0.2, 0.1]]), np.array([82.0])
    row(f'1 atom, {edge} Å, {angle}°, σ {sigma} Å', atoms, cell, sigma)
  for edge, sigma in MANY_ATOMS:
    cell = edge * np.eye(3)
    atoms = rng.random((400, 3)) @ cell, rng.integers(1, 90, 400)
    row(f'400 atoms, {edge} Å, 90°, σ {sigma} Å', atoms, cell, sigma)

  errors = [error(*random_crystal(rng)) for _ in range(RANDOM)]
  worst, height = max(errors)
  print(f'\n{RANDOM} random cells, a box or a cell grid each: ', end='')
  print(f'{sum(e <= 5e-6 for e, _ in errors)} within 5e-6, ', end='')
  print(f'worst {worst:.1e} (of a density {height:.0f} peaks high)')


def row(name, atoms, cell, sigma):
  (box, height), (grid, _) = (error(atoms, cell, g, sigma) for g in (BOX, CELL))
  print(f'| {name} | {height:.0f} | {box:.1e} | {grid:.1e} |', flush=True)


def error(atoms, cell, grid, sigma):
  """Largest error, and the density itself, of one peak."""
  density = cj.voxelize(*atoms, cell, grid=grid, sigma=sigma)
  truth = reference.density(*atoms, cell, grid, sigma)
  peak = 1 / reference.peak(atoms[1], sigma)
  wrong = np.abs(np.asarray(density, np.float64) - truth).max()
  return wrong / peak, truth.max() / peak


def random_crystal(rng):
  """One or two atoms in a small cell, 16 to 110 peaks high."""
  while True:
    sigma = rng.choice([1.0, 1.2, 1.5])
    longest = rng.choice([2.2, 4.0])
    lengths, angles = rng.uniform(1.5, longest, 3), rng.uniform(25, 150, 3)
    cosines = np.cos(np.radians(angles))
    if 1 - (cosines**2).sum() + 2 * cosines.prod() < 0.01:
      continue
    cell = reference.triclinic(lengths, angles)
    weights = rng.integers(1, 90, rng.integers(1, 3)).astype(float)
    mean = weights.sum() / np.linalg.det(cell)
    if 16 < mean * reference.peak(weights, sigma) < 110:
      cell = cell @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
      positions = rng.uniform(-3, 3, (len(weights), 3)) @ cell
      return (positions, weights), cell, [BOX, CELL][rng.integers(2)], sigma


if __name__ == '__main__':
  main()
