"""Refinement corrects wrong atoms and does not change correct crystals."""

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
from tests.codec.refinement.decoded import (
  as_decoded,
  make_codec,
  perturbed,
  target_of,
)

CONFIG = RefineConfig()
# Refines each crystal like a large one, with conjugate gradients.
LARGE = RefineConfig(dense_atoms=0)


@pytest.fixture(scope='module')
def codec_and_encoder():
  return make_codec('cell')


def one_substituted(crystal):
  numbers = np.array(crystal.numbers)
  numbers[1] += 1
  return cj.Crystal(numbers, crystal.positions, crystal.cell)


def one_removed(crystal):
  return cj.Crystal(crystal.numbers[1:], crystal.positions[1:], crystal.cell)


def one_added(crystal):
  position = crystal.positions.mean(axis=0) + 0.9
  return cj.Crystal(
    np.append(crystal.numbers, 8),
    np.concatenate([crystal.positions, position[None]]),
    crystal.cell,
  )


def occupancy(encoder, crystal):
  """The occupancy that perfect networks would decode."""
  codes = element_codes()[crystal.numbers][None].astype(np.float32)
  inputs = encoder.representation.encoder_inputs(
    codes, np.float32(crystal.positions)[None], np.float32(crystal.cell)[None]
  )
  return np.asarray(inputs['density'][..., 0])


def two_exchanged(crystal):
  """The first and the fourth atom exchange their species."""
  numbers = np.array(crystal.numbers)
  numbers[[0, 3]] = numbers[[3, 0]]
  return cj.Crystal(numbers, crystal.positions, crystal.cell)


def neighbours_exchanged(crystal):
  """Titanium and an oxygen at 1.95 Å exchange their species."""
  distances = np.linalg.norm(crystal.positions - crystal.positions[1], axis=1)
  neighbour = np.argsort(distances)[1]
  numbers = np.array(crystal.numbers)
  numbers[[1, neighbour]] = numbers[[neighbour, 1]]
  return cj.Crystal(numbers, crystal.positions, crystal.cell)


@pytest.mark.parametrize(
  'wrong, config',
  [
    pytest.param(one_substituted, CONFIG, marks=pytest.mark.slow),
    pytest.param(one_added, CONFIG, marks=pytest.mark.slow),
    (one_removed, CONFIG),
    pytest.param(one_substituted, LARGE, marks=pytest.mark.slow),
    pytest.param(two_exchanged, LARGE, marks=pytest.mark.slow),
    (neighbours_exchanged, LARGE),
    pytest.param(one_added, LARGE, marks=pytest.mark.slow),
    (one_removed, LARGE),
  ],
)
def test_wrong_atoms_are_corrected(
  codec_and_encoder, wrong, config, monkeypatch
):
  codec, encoder = codec_and_encoder
  crystal = as_decoded(codec, crystals.perovskite())
  target, start = target_of(codec, crystal), wrong(perturbed(crystal, 0.02))
  occupancies = [occupancy(encoder, each) for each in (crystal, start)]
  both = np.concatenate(occupancies)
  monkeypatch.setattr(Encoder, 'occupancy', lambda *_: both)
  found, residual_after = refine(encoder, [start], target, config)
  assert residual_after < config.exact_residual
  assert sorted(found.numbers) == sorted(crystal.numbers)
  order = [
    np.argmin(np.linalg.norm(found.positions - position, axis=1))
    for position in crystal.positions
  ]
  np.testing.assert_array_equal(found.numbers[order], crystal.numbers)
  np.testing.assert_allclose(
    found.positions[order], crystal.positions, atol=0.01
  )


@pytest.mark.parametrize('config', [CONFIG, LARGE])
def test_the_best_crystal_so_far_is_returned_at_the_deadline(
  codec_and_encoder, config, monkeypatch
):
  codec, encoder = codec_and_encoder
  crystal = as_decoded(codec, crystals.perovskite())
  target = target_of(codec, crystal)
  start = one_substituted(perturbed(crystal, 0.02))
  before = mean_squared(target.residual(encoder.latents([start])[0][0]))
  found, residual = refine(
    encoder, [start], dataclasses.replace(target, deadline=0.0), config
  )
  assert found is start and residual == before
  # The deadline passes after the third reading of the clock, between two
  # Gauss-Newton steps.
  readings = itertools.count()
  monkeypatch.setattr(Target, 'is_late', lambda _: next(readings) > 2)
  found, residual = refine(encoder, [start], target, config)
  assert config.exact_residual < residual < before
  latent = encoder.latents([found])[0][0]
  np.testing.assert_allclose(
    mean_squared(target.residual(latent)), residual, rtol=1e-3
  )
  assert not converged(target.residual(latent), config)


def test_a_posterior_sample_converges_and_another_crystal_does_not(
  codec_and_encoder,
):
  codec, encoder = codec_and_encoder
  crystal = as_decoded(codec, crystals.perovskite())
  sampled = target_of(codec, crystal, noise=1.0)
  mean = encoder.latents([crystal])[0][0]
  other = encoder.latents([one_substituted(crystal)])[0][0]
  assert 0.75 < mean_squared(sampled.residual(mean)) < 1.25
  assert converged(sampled.residual(mean), CONFIG)
  assert converged(target_of(codec, crystal).residual(mean), CONFIG)
  assert not converged(target_of(codec, crystal).residual(other), CONFIG)


def refined(encoder, z, readouts, which, config=CONFIG):
  return refinement.refine_batch(
    encoder,
    z,
    {},
    readouts,
    symmetrize=0.0,
    refine_which=which,
    config=config,
  )


def test_only_uncertain_crystals_are_refined(codec_and_encoder):
  codec, encoder = codec_and_encoder
  crystal = as_decoded(codec, crystals.perovskite())
  z = codec.encode([crystal] * 3)
  near = perturbed(crystal, 1e-4)
  readouts = [near, one_substituted(near), 'there is no atom']
  with_none, with_auto, with_all = (
    [result.crystal for result in refined(encoder, z, readouts, which)]
    for which in ('none', 'auto', 'all')
  )
  for found in with_none, with_auto, with_all:
    assert found[2] == 'there is no atom'
  np.testing.assert_array_equal(with_none[1].numbers, readouts[1].numbers)
  np.testing.assert_allclose(with_auto[0].positions, with_none[0].positions)
  for found in with_auto[1], *with_all[:2]:
    assert sorted(found.numbers) == sorted(crystal.numbers)
  before, after = (
    np.abs(found.positions - crystal.positions).max()
    for found in (with_none[0], with_all[0])
  )
  assert after < 0.5 * before


def test_a_lattice_vector_above_the_limit_is_not_certain(codec_and_encoder):
  codec, encoder = codec_and_encoder
  crystal = as_decoded(codec, crystals.perovskite())
  z = codec.encode([crystal])
  longest = np.linalg.norm(crystal.cell, axis=1).max()
  for limit, expected in (1.01, True), (0.99, False):
    config = RefineConfig(certain_vector=limit * longest)
    for which in 'auto', 'all':
      (result,) = refined(encoder, z, [crystal], which, config)
      assert result.certain == expected
    _, certain = refinement.compare(encoder, z, [crystal], config)
    assert certain.tolist() == [expected]


def test_a_crystal_without_a_finite_jacobian_does_not_change(
  codec_and_encoder, monkeypatch
):
  codec, encoder = codec_and_encoder
  crystal = as_decoded(codec, crystals.perovskite())
  z, wrong = codec.encode(crystal), one_substituted(crystal)
  unknowns = wrong.positions.size
  jacobian = lambda *_: np.full((unknowns, z.shape[1]), np.nan)
  monkeypatch.setattr(Encoder, 'jacobian', jacobian)
  (result,) = refined(encoder, z, [wrong], 'auto')
  np.testing.assert_array_equal(result.crystal.numbers, wrong.numbers)
