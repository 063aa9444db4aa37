"""Atoms of Gaussians of height one."""

import jax
import numpy as np
import pytest

from crystal_jax.density import CellGrid, voxelize
from crystal_jax.representation.occupancy_peaks import find_peaks

SIZE, SIGMA = 16, 0.9


def field(positions, noise=0.0):
  """A noisy occupancy of atoms, positions in voxels."""
  positions = np.asarray(positions, np.float32) / SIZE
  density = voxelize(
    positions * SIZE,
    np.ones(len(positions)),
    np.eye(3) * SIZE,
    grid=CellGrid(SIZE),
    sigma=SIGMA,
    band_limit=True,
  )
  occupancy = np.asarray(density) * (2 * np.pi * SIGMA**2) ** 1.5
  rng = np.random.default_rng(0)
  error = noise * rng.standard_normal(occupancy.shape)
  return occupancy + error.astype(np.float32)


def find(occupancy, slots=8):
  found = find_peaks(occupancy[None], sigma=SIGMA, slots=slots)
  fractional, filled, overflow = jax.device_get(found)
  return fractional[0][filled[0]] * SIZE, bool(overflow[0])


def error(found, positions):
  offsets = found[:, None] - np.asarray(positions)[None]
  offsets -= SIZE * np.rint(offsets / SIZE)
  distances = np.linalg.norm(offsets, axis=-1)
  assert sorted(distances.argmin(0)) == list(range(len(found)))
  return distances.min(0).max()


@pytest.mark.parametrize(
  'positions',
  [
    [[3.0, 4.0, 5.0]],
    [[7.5, 7.5, 7.5], [15.5, 15.5, 15.5]],  # Between voxels: the lowest tops.
    [[15.9, 0.1, 8.0], [2.8, 0.1, 8.0], [8.3, 9.2, 1.7]],
    [[5.0, 5.0, 5.0], [7.3, 5.0, 5.0]],
  ],
)
def test_atoms_are_found_where_they_are(positions):
  found, overflow = find(field(positions))
  assert len(found) == len(positions) and not overflow
  assert error(found, positions) < 0.01


def test_noise_makes_no_atoms():
  positions = [[3.1, 4.2, 5.3], [9.6, 8.1, 2.2], [12.4, 1.9, 13.0]]
  found, _ = find(field(positions, noise=0.03))
  assert error(found, positions) < 0.15
  assert len(find(0 * field(positions))[0]) == 0


@pytest.mark.parametrize('distance', [1.4, 1.6, 1.8, 2.0, 2.2])
def test_overlapping_atoms_are_resolved(distance):
  rng = np.random.default_rng(0)
  correct = 0
  for _ in range(8):
    along = rng.normal(size=3)
    first = rng.uniform(0, SIZE, 3)
    positions = [first, first + distance * along / np.linalg.norm(along)]
    found, _ = find(field(positions))
    correct += len(found) == 2 and error(found, positions) < 0.02
  assert correct >= 7


def test_more_atoms_than_slots_set_overflow():
  positions = [[4 * i, 4 * j, 1.0] for i in range(4) for j in range(3)]
  assert find(field(positions), slots=8)[1]
  assert not find(field(positions), slots=16)[1]
