"""Atoms of Gaussians of height one."""

import jax
import numpy as np
import pytest

from crystal_jax.density import CellGrid, voxelize
from crystal_jax.representation import unit_atoms

SIZE, SIGMA = 16, 0.9


def field(places, noise=0.0):
  """What a network would draw, places in voxels."""
  places = np.asarray(places, np.float32) / SIZE
  drawn = voxelize(
    places * SIZE,
    np.ones(len(places)),
    np.eye(3) * SIZE,
    grid=CellGrid(SIZE),
    sigma=SIGMA,
    band_limit=True,
  )
  drawn = np.asarray(drawn) * (2 * np.pi * SIGMA**2) ** 1.5
  rng = np.random.default_rng(0)
  return drawn + noise * rng.standard_normal(drawn.shape).astype(np.float32)


def find(drawn, slots=8):
  found = unit_atoms.unit_atoms(drawn[None], sigma=SIGMA, slots=slots)
  places, mask, overflow = jax.device_get(found)
  return places[0][mask[0]] * SIZE, bool(overflow[0])


def error(found, places):
  apart = found[:, None] - np.asarray(places)[None]
  apart -= SIZE * np.rint(apart / SIZE)
  apart = np.linalg.norm(apart, axis=-1)
  assert sorted(apart.argmin(0)) == list(range(len(found)))
  return apart.min(0).max()


@pytest.mark.parametrize(
  'places',
  [
    [[3.0, 4.0, 5.0]],
    [[7.5, 7.5, 7.5], [15.5, 15.5, 15.5]],  # Between voxels: the lowest tops.
    [[15.9, 0.1, 8.0], [2.8, 0.1, 8.0], [8.3, 9.2, 1.7]],
    [[5.0, 5.0, 5.0], [7.3, 5.0, 5.0]],
  ],
)
def test_atoms_are_found_where_they_are(places):
  found, overflow = find(field(places))
  assert len(found) == len(places) and not overflow
  assert error(found, places) < 0.01


def test_noise_makes_no_atoms():
  places = [[3.1, 4.2, 5.3], [9.6, 8.1, 2.2], [12.4, 1.9, 13.0]]
  found, _ = find(field(places, noise=0.03))
  assert error(found, places) < 0.15
  assert len(find(field(places)[::1] * 0)[0]) == 0


@pytest.mark.parametrize('apart', [1.4, 1.6, 1.8, 2.0, 2.2])
def test_atoms_within_one_another_are_told_apart(apart):
  rng = np.random.default_rng(0)
  right = 0
  for _ in range(8):
    along = rng.normal(size=3)
    first = rng.uniform(0, SIZE, 3)
    places = [first, first + apart * along / np.linalg.norm(along)]
    found, _ = find(field(places))
    right += len(found) == 2 and error(found, places) < 0.02
  assert right >= 7


def test_more_atoms_than_slots_is_said():
  places = [[4 * i, 4 * j, 1.0] for i in range(4) for j in range(3)]
  assert find(field(places), slots=8)[1]
  assert not find(field(places), slots=16)[1]
