"""Coded networks: shapes, voxels, and where the lattice is kept."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.models import (
  CodedNetworks,
  Head,
  InLatent,
  TokenLatticeHead,
  TokenVAE,
)
from crystal_jax.models.lattice_latent import UNITS, Whitening
from crystal_jax.models.tokens import Trunk

VAE = TokenVAE(
  size=8,
  channels=3,
  fold=4,
  width=24,
  encoder='p',
  decoder='a',
  latent=2,
  learn_codes=True,
)
INPUTS = {'density': jnp.ones((5, 8, 8, 8, 3)), 'lattice': jnp.zeros((5, 6))}
LATTICES = {
  'in_latent': InLatent(),
  'head': Head(TokenLatticeHead(8), conditioned=False),
  'conditioned': Head(TokenLatticeHead(8), conditioned=True),
}


def make(lattice='in_latent', **options):
  """Networks, and parameters that a test may replace."""
  networks, params = _made(lattice, **options)
  return networks, jax.tree.map(lambda leaf: leaf, params)


@functools.cache
def _made(lattice, **options):
  networks = networks_of(lattice, **options)
  return networks, jax.jit(networks.init)(jax.random.key(0))


def networks_of(lattice, **options):
  vae = dataclasses.replace(VAE, **options)
  return CodedNetworks(vae, LATTICES[lattice])


@pytest.mark.parametrize(
  ('lattice', 'vector', 'size'),
  [
    ('in_latent', 0, 8 * 2 + 6),
    ('in_latent', 7, 7 + 6),
    ('head', 0, 8 * 2),
    ('head', 7, 7),
  ],
)
def test_shapes(lattice, vector, size):
  networks = networks_of(lattice, vector=vector)
  params = jax.eval_shape(networks.init, jax.random.key(0))
  assert networks.latent_shape == (size,)
  mean, log_var = jax.eval_shape(networks.encode, params, INPUTS)
  assert mean.shape == log_var.shape == (5, size)
  outputs = jax.eval_shape(networks.predict, params, INPUTS)
  assert {name: value.shape for name, value in outputs.items()} == {
    'occupancy': (5, 8, 8, 8),
    'codes': (5, 8, 8, 8, 3),
    'offsets': (5, 8, 8, 8, 3),
    'code_offsets': (5, 94, 3),
    'lattice': (5, 6),
  }


def test_voxels_alone_give_what_all_voxels_give():
  networks, params = make()
  z = jax.random.normal(jax.random.key(1), (2, *networks.latent_shape))
  decode = jax.jit(networks.decode)
  full = decode(params, z)
  voxels = jnp.array([[[0, 0, 0], [7, 3, 4]], [[1, 6, 2], [5, 5, 5]]])
  part = decode(params, z, voxels=voxels)
  for name in ('codes', 'offsets'):
    for b in range(2):
      for k in range(2):
        np.testing.assert_allclose(
          part[name][b, k], full[name][b][tuple(voxels[b, k])], atol=1e-5
        )


def test_learnt_codes_start_at_zero_and_may_be_left_out():
  networks, params = make()
  z = jnp.zeros((2, *networks.latent_shape))
  assert not jax.jit(networks.decode)(params, z)['code_offsets'].any()
  networks, params = make(learn_codes=False)
  assert 'code_offsets' not in jax.eval_shape(networks.decode, params, z)


@pytest.mark.slow
def test_a_vector_reaches_every_token():
  networks, params = make('head', vector=7)
  z = jnp.zeros((1, 7))
  decode = jax.jit(networks.decode)
  change = jnp.abs(
    decode(params, z)['occupancy'] - decode(params, z + 1.0)['occupancy']
  )
  tokens = change.reshape(2, 4, 2, 4, 2, 4).max(axis=(1, 3, 5))
  assert (tokens > 0).all()


@pytest.mark.parametrize('lattice', LATTICES)
def test_the_lattice_changes_the_latent_unless_the_density_shows_it(lattice):
  networks, params = make(lattice)
  if lattice == 'conditioned':  # Zero at first: learnt where it helps.
    beside = params['vae']['params']['encode_beside']
    beside['kernel'] = jnp.ones_like(beside['kernel'])
  other = INPUTS | {'lattice': INPUTS['lattice'] + 0.5}
  encode = jax.jit(networks.encode)
  change = np.abs(encode(params, INPUTS)[0] - encode(params, other)[0]).max(
    axis=0
  )
  assert (change.max() > 1e-4) == (lattice != 'head')
  if lattice == 'in_latent':  # In its own six numbers, and in no other.
    assert change[:-6].max() == 0 and change[-6:].min() > 0


def test_a_lattice_in_the_latent_comes_back_exactly():
  networks, params = make()
  lattice = jax.random.normal(jax.random.key(1), (5, 6)) * 0.1
  outputs = jax.jit(networks.predict)(params, INPUTS | {'lattice': lattice})
  np.testing.assert_allclose(outputs['lattice'], lattice, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('lattice', ['in_latent', 'conditioned'])
def test_the_whitening_is_not_learnt(lattice):
  networks, params = make(lattice, learn_codes=False)

  @jax.jit
  @jax.grad
  def gradient(params):
    mean, log_var = networks.encode(params, INPUTS)
    outputs = networks.decode(params, mean)
    return sum(jnp.square(x).sum() for x in (log_var, *outputs.values()))

  gradient = gradient(params)
  for leaf in jax.tree.leaves(gradient.pop('lattice')):
    np.testing.assert_array_equal(leaf, 0)
  for name, tree in gradient.items():
    assert max(jnp.abs(g).max() for g in jax.tree.leaves(tree)) > 0, name


@pytest.mark.parametrize('mix', ['a', 'p'])
def test_every_token_reaches_every_other(mix):
  trunk = Trunk(mix)
  x = jax.random.normal(jax.random.key(0), (1, 8, 24))
  params = jax.jit(trunk.init)(jax.random.key(1), x)
  apply = jax.jit(trunk.apply)
  change = jnp.abs(apply(params, x.at[0, 0].add(1.0)) - apply(params, x))
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


def test_a_lattice_given_to_a_trained_encoder_changes_nothing_at_first():
  networks, params = make()
  conditioned = dataclasses.replace(networks, lattice=InLatent(True))
  fresh = jax.jit(conditioned.init)(jax.random.key(1))
  layer = fresh['vae']['params']['encode_beside']
  params['vae']['params']['encode_beside'] = layer
  lattice = jax.random.normal(jax.random.key(2), (5, 6))
  inputs = INPUTS | {'lattice': lattice}
  encode = jax.jit(conditioned.encode)
  for found, true in zip(
    encode(params, inputs), jax.jit(networks.encode)(params, inputs),
    strict=True,
  ):  # fmt: skip
    np.testing.assert_allclose(found, true, atol=1e-6)
  layer['kernel'] = jnp.ones_like(layer['kernel'])
  moved = encode(params, inputs)[0] - found
  assert jnp.abs(moved[:, :-6]).max() > 1e-3
