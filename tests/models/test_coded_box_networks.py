"""The networks of the coded box: shapes, the vector, what is told and said."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.models import CodedBoxNetworks, TokenLatticeHead, TokenVAE

VAE = TokenVAE(
  size=8,
  channels=3,
  fold=4,
  width=24,
  encoder='p',
  decoder='p',
  latent=2,
  learn_codes=True,
)
INPUTS = {'density': jnp.ones((5, 8, 8, 8, 3)), 'lattice': jnp.zeros((5, 6))}


def make(vector=0, told=False):
  vae = dataclasses.replace(VAE, vector=vector)
  networks = CodedBoxNetworks(vae, TokenLatticeHead(8), told)
  return networks, jax.jit(networks.init)(jax.random.key(0))


@pytest.mark.parametrize('vector', [0, 7])
def test_shapes(vector):
  networks, params = make(vector)
  mean, log_var = networks.encode(params, INPUTS)
  assert networks.latent_shape == (vector or 8 * 2,)
  assert mean.shape == log_var.shape == (5, *networks.latent_shape)
  outputs = networks.predict(params, INPUTS)
  shapes = {name: value.shape for name, value in outputs.items()}
  assert shapes == {
    'occupancy': (5, 8, 8, 8),
    'codes': (5, 8, 8, 8, 3),
    'offsets': (5, 8, 8, 8, 3),
    'code_offsets': (5, 94, 3),
    'lattice': (5, 6),
  }


def test_a_vector_reaches_every_token():
  networks, params = make(vector=7)
  z = jnp.zeros((1, 7))
  change = jnp.abs(
    networks.decode(params, z)['occupancy']
    - networks.decode(params, z + 1.0)['occupancy']
  )
  tokens = change.reshape(2, 4, 2, 4, 2, 4).max(axis=(1, 3, 5))
  assert (tokens > 0).all()


@pytest.mark.parametrize('told', [False, True])
def test_the_encoder_hears_the_lattice_if_it_is_told(told):
  networks, params = make(told=told)
  other = INPUTS | {'lattice': INPUTS['lattice'] + 0.5}
  change = np.abs(
    networks.encode(params, INPUTS)[0] - networks.encode(params, other)[0]
  )
  assert (change.max() > 1e-4) == told


@pytest.mark.slow
def test_the_whitening_is_not_learnt():
  networks, params = make(told=True)

  def loss(params):
    return jnp.square(networks.predict(params, INPUTS)['lattice']).sum()

  gradient = jax.grad(loss)(params)
  for leaf in jax.tree.leaves(gradient['lattice']):
    np.testing.assert_array_equal(leaf, 0)
  assert max(jnp.abs(g).max() for g in jax.tree.leaves(gradient['head'])) > 0
