"""Refinement finds a wrong atom, and leaves right crystals as they are."""

import dataclasses
import itertools

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import refinement
from crystal_jax.codec.refinement import Encoder, RefineConfig
from crystal_jax.codec.refinement.gauss_newton import Target, mean_squared
from crystal_jax.codec.refinement.refine import converged, refine
from crystal_jax.structure.elements import element_codes
from tests import crystals
from tests.codec.refinement.test_gauss_newton import (
  make,
  perturbed,
  read,
  target_of,
)

CONFIG = RefineConfig()
# Refines every crystal as large ones are.
LARGE = RefineConfig(dense_atoms=0)


@pytest.fixture(scope='module')
def pair():
  return make('cell')


def exchanged(crystal):
  numbers = np.array(crystal.numbers)
  numbers[1] += 1
  return cj.Crystal(numbers, crystal.positions, crystal.cell)


def without(crystal):
  return cj.Crystal(
    crystal.numbers[1:], crystal.positions[1:], crystal.cell
  )  # fmt: skip


def with_one_more(crystal):
  place = crystal.positions.mean(axis=0) + 0.9
  return cj.Crystal(
    np.append(crystal.numbers, 8),
    np.concatenate([crystal.positions, place[None]]),
    crystal.cell,
  )


def occupancy(encoder, crystal):
  """The occupancy that perfect networks would draw."""
  codes = element_codes()[crystal.numbers][None].astype(np.float32)
  inputs = encoder.representation.encoder_inputs(
    codes, np.float32(crystal.positions)[None], np.float32(crystal.cell)[None]
  )
  return np.asarray(inputs['density'][..., 0])


def two_exchanged(crystal):
  numbers = np.array(crystal.numbers)
  numbers[[0, 3]] = numbers[[3, 0]]
  return cj.Crystal(numbers, crystal.positions, crystal.cell)


def neighbours_exchanged(crystal):
  """Titanium and an oxygen beside it, 1.95 Å apart."""
  distances = np.linalg.norm(crystal.positions - crystal.positions[1], axis=1)
  neighbour = np.argsort(distances)[1]
  numbers = np.array(crystal.numbers)
  numbers[[1, neighbour]] = numbers[[neighbour, 1]]
  return cj.Crystal(numbers, crystal.positions, crystal.cell)


@pytest.mark.parametrize(
  'wrong, config',
  [
    pytest.param(exchanged, CONFIG, marks=pytest.mark.slow),
    (with_one_more, CONFIG),
    (without, CONFIG),
    pytest.param(exchanged, LARGE, marks=pytest.mark.slow),
    pytest.param(two_exchanged, LARGE, marks=pytest.mark.slow),
    (neighbours_exchanged, LARGE),
    pytest.param(with_one_more, LARGE, marks=pytest.mark.slow),
    (without, LARGE),
  ],
)
def test_atoms_off_are_found(pair, wrong, config, monkeypatch):
  codec, encoder = pair
  crystal = read(codec, crystals.perovskite())
  target, start = target_of(codec, crystal), wrong(perturbed(crystal, 0.02))
  both = np.concatenate([occupancy(encoder, each) for each in (crystal, start)])
  monkeypatch.setattr(Encoder, 'occupancy', lambda *_: both)
  found, residual_after = refine(encoder, [start], target, config)
  assert residual_after < config.exact_residual
  assert sorted(found.numbers) == sorted(crystal.numbers)
  order = [np.argmin(np.linalg.norm(found.positions - x, axis=1))
           for x in crystal.positions]  # fmt: skip
  np.testing.assert_array_equal(found.numbers[order], crystal.numbers)
  np.testing.assert_allclose(
    found.positions[order], crystal.positions, atol=0.01
  )


@pytest.mark.parametrize('config', [CONFIG, LARGE])
def test_the_best_crystal_so_far_is_returned_when_time_is_up(
  pair, config, monkeypatch
):
  codec, encoder = pair
  crystal = read(codec, crystals.perovskite())
  target = target_of(codec, crystal)
  start = exchanged(perturbed(crystal, 0.02))
  before = mean_squared(target.residual(encoder.latents([start])[0][0]))
  found, residual = refine(
    encoder, [start], dataclasses.replace(target, deadline=0.0), config
  )
  assert found is start and residual == before
  # The clock is read three times: time is up between two Gauss-Newton steps.
  readings = itertools.count()
  monkeypatch.setattr(Target, 'is_late', lambda _: next(readings) > 2)
  found, residual = refine(encoder, [start], target, config)
  assert config.exact_residual < residual < before
  own = encoder.latents([found])[0][0]
  np.testing.assert_allclose(
    mean_squared(target.residual(own)), residual, rtol=1e-3
  )
  assert not converged(target.residual(own), config)


def test_a_sample_converges_and_another_crystal_does_not(pair):
  codec, encoder = pair
  crystal = read(codec, crystals.perovskite())
  sampled = target_of(codec, crystal, noise=1.0)
  mean = encoder.latents([crystal])[0][0]
  other = encoder.latents([exchanged(crystal)])[0][0]
  assert 0.75 < mean_squared(sampled.residual(mean)) < 1.25
  assert converged(sampled.residual(mean), CONFIG)
  assert converged(target_of(codec, crystal).residual(mean), CONFIG)
  assert not converged(target_of(codec, crystal).residual(other), CONFIG)


def finish(encoder, z, readouts, which):
  results = refinement.refine_batch(
    encoder, z, {}, readouts, symmetrize=0.0, refine_which=which, config=CONFIG
  )  # fmt: skip
  return [result.crystal for result in results]


def test_only_uncertain_crystals_are_refined(pair):
  codec, encoder = pair
  crystal = read(codec, crystals.perovskite())
  z = codec.encode([crystal] * 3)
  near = perturbed(crystal, 1e-4)
  given = [near, exchanged(near), 'there is no atom']
  none, auto, every_crystal = (
    finish(encoder, z, given, which) for which in ('none', 'auto', 'all')
  )
  for found in none, auto, every_crystal:
    assert found[2] == 'there is no atom'
  np.testing.assert_array_equal(none[1].numbers, given[1].numbers)
  np.testing.assert_allclose(auto[0].positions, none[0].positions)
  for found in auto[1], *every_crystal[:2]:
    assert sorted(found.numbers) == sorted(crystal.numbers)
  distances = [np.abs(c.positions - crystal.positions).max()
           for c in (none[0], every_crystal[0])]  # fmt: skip
  assert distances[1] < 0.5 * distances[0]


def test_a_lattice_longer_than_a_box_shows_is_not_certain(pair):
  codec, encoder = pair
  crystal = read(codec, crystals.perovskite())
  z = codec.encode([crystal])
  longest = np.linalg.norm(crystal.cell, axis=1).max()
  for limit, expected in (1.01, True), (0.99, False):
    config = RefineConfig(certain_vector=limit * longest)
    for which in 'auto', 'all':
      (result,) = refinement.refine_batch(
        encoder, z, {}, [crystal], symmetrize=0.0, refine_which=which,
        config=config,
      )  # fmt: skip
      assert result.certain == expected
    _, certain = refinement.compare(encoder, z, [crystal], config)
    assert certain.tolist() == [expected]


def test_what_cannot_be_refined_stays_as_it_was_read(pair, monkeypatch):
  codec, encoder = pair
  crystal = read(codec, crystals.perovskite())
  z, wrong = codec.encode(crystal), exchanged(crystal)
  endless = lambda *_: np.full((15, z.shape[1]), np.nan)
  monkeypatch.setattr(Encoder, 'jacobian', endless)
  (found,) = finish(encoder, z, [wrong], 'auto')
  np.testing.assert_array_equal(found.numbers, wrong.numbers)
