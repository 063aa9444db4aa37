"""The networks of the cell: shapes, places, and the lattice's share."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.models import CellNetworks, TokenVAE
from crystal_jax.models.lattice_latent import UNITS, Whitening
from crystal_jax.models.tokens import Trunk


@pytest.fixture(scope='module')
def networks():
  return CellNetworks(
    TokenVAE(size=8, channels=3, fold=4, width=24, encoder='p', decoder='a',
            latent=2)
  )  # fmt: skip


@pytest.fixture(scope='module')
def params(networks):
  return jax.jit(networks.init)(jax.random.key(0))


def test_shapes(networks, params):
  inputs = {
    'density': jnp.ones((5, 8, 8, 8, 3)),
    'lattice': jnp.zeros((5, 6)),
  }
  mean, log_var = networks.encode(params, inputs)
  assert mean.shape == log_var.shape == (5, *networks.latent_shape)
  assert networks.latent_shape == (8 * 2 + 6,)
  outputs = networks.predict(params, inputs)
  shapes = {name: value.shape for name, value in outputs.items()}
  assert shapes == {
    'occupancy': (5, 8, 8, 8),
    'codes': (5, 8, 8, 8, 3),
    'offsets': (5, 8, 8, 8, 3),
    'lattice': (5, 6),
  }


def test_a_voxel_says_the_same_alone_and_among_all(networks, params):
  z = jax.random.normal(jax.random.key(1), (2, *networks.latent_shape))
  every = networks.decode(params, z)
  voxels = jnp.array([[[0, 0, 0], [7, 3, 4]], [[1, 6, 2], [5, 5, 5]]])
  some = networks.decode(params, z, voxels=voxels)
  for name in ('codes', 'offsets'):
    for b in range(2):
      for k in range(2):
        np.testing.assert_allclose(
          some[name][b, k], every[name][b][tuple(voxels[b, k])], atol=1e-5
        )


def test_learnt_codes_are_said_of_every_latent(networks):
  networks = dataclasses.replace(
    networks, vae=networks.vae.copy(learn_codes=True)
  )
  params = jax.jit(networks.init)(jax.random.key(0))
  outputs = networks.decode(params, jnp.zeros((2, *networks.latent_shape)))
  assert outputs['code_offsets'].shape == (2, 94, 3)
  assert not outputs['code_offsets'].any()


@pytest.mark.parametrize('mix', ['a', 'p'])
def test_tokens_hear_each_other(mix):
  trunk = Trunk(mix)
  x = jax.random.normal(jax.random.key(0), (1, 8, 24))
  params = trunk.init(jax.random.key(1), x)
  moved = x.at[0, 0].add(1.0)
  change = jnp.abs(trunk.apply(params, moved) - trunk.apply(params, x))
  assert (change.max(-1) > 1e-6).all()


def test_the_lattice_passes_through_the_latent():
  rng = np.random.default_rng(0)
  numbers = rng.normal(size=(300, 6)) @ np.diag([0.3, 0.2, 0.2, 0.1, 0.1, 0.05])
  numbers[:, 1] = numbers[:, 0] + 1e-5 * numbers[:, 1]  # a = b, nearly
  whitening = Whitening.fit(numbers.astype(np.float32))
  z = whitening.whiten(jnp.asarray(numbers, jnp.float32))
  np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
  deviations = np.std(z, axis=0)
  np.testing.assert_allclose(deviations[1:], 1, atol=1e-3)
  assert deviations[0] < 0.1  # where all are alike, one unit counts as one
  np.testing.assert_allclose(whitening.unwhiten(z), numbers, atol=2e-6)


def test_the_posterior_of_a_lattice_errs_by_less_than_a_unit():
  rng = np.random.default_rng(0)
  whitening = Whitening.fit(rng.normal(size=(100, 6)) * 0.2)
  noise = rng.normal(size=(2000, 6)) * np.exp(0.5 * whitening.log_var)
  error = whitening.unwhiten(jnp.asarray(noise, jnp.float32))
  error = (error - whitening.mean[None]) / UNITS[None]
  np.testing.assert_allclose(np.std(error, axis=0), 1, atol=0.1)


def test_one_lattice_is_a_training_set_too():
  whitening = Whitening.fit(np.ones((1, 6)))
  z = whitening.whiten(jnp.ones((1, 6)))
  np.testing.assert_array_equal(z, 0)
  np.testing.assert_allclose(whitening.unwhiten(z), 1, rtol=1e-6)
