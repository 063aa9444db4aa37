"""Gauss-Newton steps from a decoded crystal to a given latent."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec.refinement import RefineConfig
from crystal_jax.codec.refinement.gauss_newton import (
  displaced,
  displacements,
  gauss_newton,
  mean_squared,
  pseudoinverse,
)
from tests import crystals
from tests.codec.refinement.decoded import (
  as_decoded,
  make_codec,
  perturbed,
  target_of,
)

CONFIG = RefineConfig()


@pytest.fixture(
  scope='module',
  params=['cell', pytest.param('coded_box', marks=pytest.mark.slow)],
)
def pair(request):
  return make_codec(request.param)


def test_where_it_was_read_a_crystal_has_the_latent_it_has(pair):
  codec, encoder = pair
  pair_read = [crystals.perovskite(), crystals.wurtzite()]
  z, std = codec.encode(pair_read, std=True)
  mean, deviation = encoder.latents(
    [as_decoded(codec, c) for c in pair_read], 3
  )
  np.testing.assert_allclose(mean, z, atol=1e-4 * np.abs(z).max())
  np.testing.assert_allclose(deviation, std, rtol=1e-3)


def test_neighbours_do_not_matter(pair):
  codec, encoder = pair
  pair_read = [
    as_decoded(codec, c) for c in (crystals.perovskite(), crystals.wurtzite())
  ]
  many = cj.Crystal(
    np.resize(pair_read[0].numbers, 30),
    np.resize(pair_read[0].positions, (30, 3)),
    pair_read[0].cell,
  )  # fmt: skip
  together, _ = encoder.latents([many, *pair_read], 3)
  alone, _ = encoder.latents(pair_read[1:], 3)
  np.testing.assert_array_equal(together[2], alone[0])


def test_the_jacobian_is_finite_differences(pair):
  codec, encoder = pair
  crystal = as_decoded(codec, crystals.wurtzite())
  basis = displacements(crystal, lattice=True)[[0, 4, 12, 16]]
  jacobian = encoder.jacobian(crystal, basis)
  step = 2e-2
  for direction, row in zip(basis, jacobian, strict=True):
    ends = [displaced(crystal, s * step * direction, CONFIG) for s in (1, -1)]
    after, before = encoder.latents(ends, 3)[0]
    found = (after - before) / (2 * step)
    np.testing.assert_allclose(found, row, atol=0.03 * np.abs(row).max())


def test_atoms_that_are_off_come_back(pair):
  codec, encoder = pair
  crystal = as_decoded(codec, crystals.perovskite())
  target = target_of(codec, crystal)
  start = perturbed(crystal)
  if target.lattice:
    strain = displacements(start, True)[-9:].sum(axis=0)
    start = displaced(start, 0.01 * strain, CONFIG)
  found, residual_after = gauss_newton(encoder, start, target, CONFIG)
  assert residual_after < 1e-5
  np.testing.assert_allclose(found.positions, crystal.positions, atol=2e-3)
  np.testing.assert_allclose(found.cell, crystal.cell, atol=2e-3)


def test_conjugate_gradients_give_the_step_of_the_jacobian():
  codec, encoder = make_codec('cell')
  crystal = as_decoded(codec, crystals.perovskite())
  target, start = target_of(codec, crystal), perturbed(crystal)
  residual = target.residual(encoder.latents([start])[0][0])
  jacobian = encoder.jacobian(start, displacements(start, False)) / target.std
  expected = -np.linalg.lstsq(jacobian.T, residual, rcond=None)[0]
  found = encoder.gauss_newton_step(start, residual, target.std, 30)
  limit = 0.02 * np.abs(expected).max()
  np.testing.assert_allclose(found, expected.reshape(-1, 3), atol=limit)


def test_what_cannot_be_shown_is_left_alone(pair):
  codec, encoder = pair
  crystal = as_decoded(codec, crystals.perovskite())
  target = target_of(codec, crystal)
  broken = cj.Crystal(crystal.numbers, crystal.positions * np.nan, crystal.cell)
  found, residual_after = gauss_newton(encoder, broken, target, CONFIG)
  assert residual_after == np.inf and found is broken


def test_mean_squared_is_never_nan():
  assert mean_squared(np.array([1.0, 3.0])) == 5.0
  assert mean_squared(np.array([1.0, np.nan])) == np.inf


def test_pseudoinverse_is_numpys_and_leaves_out_small_singular_values():
  rng = np.random.default_rng(0)
  jacobian = rng.normal(size=(9, 40)) * np.logspace(0, -2, 9)[:, None]
  jacobian[4] = jacobian[3] + 1e-6 * jacobian[5]  # No latent tells them apart.
  np.testing.assert_allclose(
    pseudoinverse(jacobian, 1e-3),
    np.linalg.pinv(jacobian.T, rcond=1e-3),
    atol=1e-9,
  )
  assert not pseudoinverse(np.zeros((3, 40)), 1e-3).any()
