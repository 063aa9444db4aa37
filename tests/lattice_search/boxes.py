"""Atoms of crystals in a box, and what is compared with them."""

import numpy as np

import crystal_jax as cj

BOX = cj.BoxGrid(10.0, 60)


def random_rotation(seed):
  """A rotation matrix, [3, 3]."""
  q = np.random.default_rng(seed).normal(size=4)
  w, x, y, z = q / np.linalg.norm(q)
  return np.array(
    [
      [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
      [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
      [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
  )


def rotated(crystal, seed=0):
  """The crystal at a random orientation."""
  rotation = random_rotation(seed)
  return cj.Crystal(
    crystal.numbers, crystal.positions @ rotation.T, crystal.cell @ rotation.T
  )


def images(crystal, half=5.6, noise=0.0, seed=0, length=None):
  """Atoms that a perfect decoder returns of a box of 10 Å."""
  steps = np.stack(np.meshgrid(*[range(-9, 10)] * 3), -1).reshape(-1, 3)
  positions = crystal.positions[:, None] + (steps @ crystal.cell)[None]
  keep = (np.abs(positions) <= half).all(axis=-1)
  numbers = np.broadcast_to(crystal.numbers[:, None], keep.shape)[keep]
  positions = positions[keep]
  positions = positions + noise * np.random.default_rng(seed).normal(
    size=positions.shape
  )
  return cj.DecodedAtoms(
    positions=positions,
    numbers=numbers,
    weights=numbers.astype(float),
    mask=np.ones(len(positions), bool),
    inside=(np.abs(positions) <= 5).all(axis=1),
    residual=np.zeros(()),
    overflow=np.zeros((), bool),
    length=length,
  )


def assert_same_crystal(found, truth, within=0.02):
  """The same lattice and the same atoms at the same positions."""
  times = found.cell @ np.linalg.inv(truth.cell)
  np.testing.assert_allclose(times, np.rint(times), atol=0.01)
  assert abs(round(np.linalg.det(times))) == 1
  assert len(found.numbers) == len(truth.numbers)
  offset = (found.positions[:, None] - truth.positions[None]) @ np.linalg.inv(
    truth.cell
  )
  distance = np.linalg.norm((offset - np.rint(offset)) @ truth.cell, axis=-1)
  assert distance.min(axis=1).max() < within
  nearest = distance.argmin(axis=1)
  assert len(set(nearest)) == len(nearest)
  np.testing.assert_array_equal(found.numbers, truth.numbers[nearest])
