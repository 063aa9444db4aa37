"""A prior of the lattice made exact by the atoms, and sites from images."""

import dataclasses

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.lattice_search import nearby
from tests import crystals
from tests.lattice_search.boxes import images


def prior_of(cell, share, seed=0):
  """The cell with every vector off by a share of its length."""
  direction = np.random.default_rng(seed).normal(size=(3, 3))
  direction /= np.linalg.norm(direction, axis=1, keepdims=True)
  return cell + share * np.linalg.norm(cell, axis=1, keepdims=True) * direction


@pytest.mark.parametrize('make', [crystals.perovskite, crystals.silicate])
def test_a_near_prior_becomes_exact(make):
  crystal = make()
  cell, share = nearby.fit_near(images(crystal), prior_of(crystal.cell, 0.02))
  np.testing.assert_allclose(cell, crystal.cell, atol=2e-3)
  assert share == 1


def test_noise_is_averaged_out():
  crystal = crystals.perovskite()
  cell, share = nearby.fit_near(
    images(crystal, noise=0.04), prior_of(crystal.cell, 0.02)
  )
  np.testing.assert_allclose(cell, crystal.cell, atol=0.02)
  assert share > 0.95


def test_a_wrong_prior_is_rejected():
  crystal = crystals.silicate()
  _, share = nearby.fit_near(images(crystal), 1.2 * crystal.cell)
  assert share < 0.5


def test_the_prior_stays_where_no_image_is_seen():
  cell = np.diag([4.0, 4.0, 14.0])
  crystal = cj.Crystal(
    np.array([22, 8]), np.array([[0.1, 0.2, 0.3], [2.0, 1.9, 2.5]]), cell
  )
  prior = np.diag([4.05, 3.97, 14.3])
  found, _ = nearby.fit_near(images(crystal), prior)
  np.testing.assert_allclose(found[:2], cell[:2], atol=2e-3)
  np.testing.assert_allclose(found[2], prior[2], atol=1e-6)


def test_images_are_averaged_and_ghosts_go():
  crystal = crystals.perovskite()
  atoms = images(crystal, noise=0.05)
  values = np.eye(95)[atoms.numbers]
  values[np.flatnonzero(atoms.inside)[0]] = np.eye(95)[1]  # one says otherwise
  ghost = np.array([[1.0, 0.9, 0.7]])
  atoms = dataclasses.replace(
    atoms,
    positions=np.concatenate([atoms.positions, ghost]),
    numbers=np.append(atoms.numbers, 3),
    mask=np.append(atoms.mask, True),
    inside=np.append(atoms.inside, True),
  )
  values = np.concatenate([values, np.eye(95)[[3]]])
  positions, means = nearby.fold(atoms, crystal.cell, values)
  assert sorted(means.argmax(axis=1)) == sorted(crystal.numbers)
  offset = (positions[:, None] - crystal.positions[None]) @ np.linalg.inv(
    crystal.cell
  )
  distance = np.linalg.norm((offset - np.rint(offset)) @ crystal.cell, axis=-1)
  assert distance.min(axis=1).max() < 0.06
  assert distance.min(axis=0).max() < 0.06


def test_without_atoms_there_are_no_sites():
  atoms = images(crystals.perovskite())
  atoms = dataclasses.replace(atoms, inside=np.zeros(len(atoms.mask), bool))
  positions, means = nearby.fold(
    atoms, 4 * np.eye(3), np.zeros((len(atoms.mask), 95))
  )
  assert positions.shape == (0, 3) and means.shape == (0, 95)
