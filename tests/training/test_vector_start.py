"""A codec with one vector that starts from the principal components."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import weights_file
from crystal_jax.training import vector_start
from tests import codecs
from tests.crystals import embedded


@pytest.fixture(scope='module')
def crystals():
  return embedded(40)


def test_components_in_units_of_the_noise():
  rng = np.random.default_rng(1)
  axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
  deviation = rng.uniform(0.1, 2.0, 8)
  spread = np.array([9.0, 7.0, 5.0, 3.0, 0.1, 0.1, 0.1, 0.1])
  mean = 2.0 + (rng.normal(size=(20_000, 8)) * spread) @ axes.T * deviation
  centre, found, sizes = vector_start.principal_components(mean, deviation, 5)
  np.testing.assert_allclose(centre, mean.mean(0))
  np.testing.assert_allclose(sizes[:4], spread[:4], rtol=0.05)
  assert sizes[4] == 1  # Less than the noise: no component of its own.
  np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-12)
  overlap = np.abs(found[:, :4].T @ axes[:, :4])
  np.testing.assert_allclose(overlap, np.eye(4), atol=0.05)


@pytest.mark.slow
def test_all_components_keep_what_the_networks_decode(crystals, tmp_path):
  codecs.untrained().save(tmp_path / 'tokens')
  tokens = cj.Codec.load(tmp_path / 'tokens')
  size = tokens.size - 6 - 1
  vector_start.start(tmp_path / 'tokens', tmp_path / 'vector', crystals, size)
  vector = cj.Codec.load(tmp_path / 'vector')
  assert vector.size == size + 6
  z, shorter = tokens.encode(crystals), vector.encode(crystals)
  np.testing.assert_allclose(shorter[:, -6:], z[:, -6:], atol=1e-5)
  np.testing.assert_allclose(shorter[:, :-6].mean(0), 0, atol=1e-3)
  expected, found = tokens.decode_arrays(z), vector.decode_arrays(shorter)
  # 40 crystals span fewer dimensions than the vector has.
  for name in expected:
    np.testing.assert_allclose(found[name], expected[name], atol=2e-3)


def test_heads_follow(tmp_path):
  rng = np.random.default_rng(2)
  mean, deviation = rng.normal(size=(50, 6)), rng.uniform(0.5, 1.0, 6)
  head = {'kernel': rng.normal(size=(8, 2)), 'bias': rng.normal(size=2)}
  params = vector_start.to_vector(
    {'vae': {'params': {}}, 'properties': {'gap': head}}, mean, deviation, 6
  )
  vae = params['vae']['params']
  lattice = rng.normal(size=(50, 2))
  vector = mean @ vae['vector_mean']['kernel'] + vae['vector_mean']['bias']
  again = vector @ vae['from_vector']['kernel'] + vae['from_vector']['bias']
  np.testing.assert_allclose(again, mean, atol=1e-5)
  found = params['properties']['gap']
  np.testing.assert_allclose(
    np.concatenate([vector, lattice], 1) @ found['kernel'] + found['bias'],
    np.concatenate([mean, lattice], 1) @ head['kernel'] + head['bias'],
    atol=1e-4,
  )


def test_a_vector_that_is_not_shorter_is_an_error(crystals, tmp_path):
  codecs.untrained().save(tmp_path / 'tokens')
  with pytest.raises(ValueError, match='without a vector'):
    vector_start.start(tmp_path / 'tokens', tmp_path / 'x', crystals, 10**6)
  assert not (tmp_path / 'x').exists()
  assert weights_file.read_card(tmp_path / 'tokens')
