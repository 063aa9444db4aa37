import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.models import VAE
from crystal_jax.models.vae import latent_noise, sample_latent
from experiments import vae30, vae60

SMALL = dict(size=12, widths=(8, 16), latent=5)


def _inputs(vae, batch=2):
  density = jnp.ones((batch, *[vae.size] * 3, vae.channels))
  return density, jnp.zeros((batch, *vae.latent_shape))


def _start(vae):
  density, noise = _inputs(vae)
  params = jax.jit(vae.init)(jax.random.key(0), density[:1], noise[:1])
  return params, density, noise


@pytest.mark.parametrize('fold', [1, 3])
@pytest.mark.parametrize('spatial', [False, True])
@pytest.mark.parametrize('channels', [1, 2])
def test_shapes(fold, spatial, channels):
  vae = VAE(fold=fold, spatial=spatial, channels=channels, **SMALL)
  density, noise = _inputs(vae)
  params = jax.eval_shape(vae.init, jax.random.key(0), density, noise)
  decoded, mean, log_var = jax.eval_shape(vae.apply, params, density, noise)
  assert decoded.shape == density.shape
  side = 12 // fold // 2
  expected = (side, side, side, 5) if spatial else (5,)
  assert mean.shape == log_var.shape == (2, *expected)
  assert vae.latent_shape == expected


@pytest.mark.parametrize(
  ('config', 'padded'), [(vae30.get_config(), 32), (vae60.get_config(), 64)]
)
def test_the_papers_shapes(config, padded):
  vae = VAE(size=config.model.box.size, **config.model.vae)
  assert vae.padded_size == padded
  assert vae.coarse_size == 4
  assert vae.latent_shape == (300,)


def test_a_wrong_size_is_named():
  vae = VAE(**SMALL)
  params = jax.eval_shape(vae.init, jax.random.key(0), *_inputs(vae))
  with pytest.raises(ValueError, match='12, 12, 12'):
    jax.eval_shape(
      functools.partial(vae.apply, method=vae.encode),
      params,
      jnp.ones((1, 10, 10, 10, 1)),
    )


@pytest.mark.slow
def test_folded_spatial_starts_as_a_truncated_cosine_transform():
  """So a smooth density is nearly kept before anything is learnt."""
  grid = cj.BoxGrid(length=8.0, size=24)
  cell = np.diag([4.0, 4.2, 4.4])
  density = cj.voxelize(
    np.array([[0.3, 0, 0], [2, 2.1, 2.2]]),
    np.array([26, 8]),
    cell,
    grid=grid,
    sigma=0.5,
  )[None, ..., None]
  vae = VAE(size=24, fold=6, widths=(96,), latent=64, spatial=True, scale=15.0)
  params = vae.init(
    jax.random.key(0), density, jnp.zeros((1, *vae.latent_shape))
  )
  mean, _ = vae.apply(params, density, method=vae.encode)
  kept = vae.apply(params, mean, method=vae.decode)
  assert jnp.mean((kept - density) ** 2) < 0.01 * jnp.var(density)
  assert (kept >= 0).all()


@pytest.mark.slow
def test_gradients_reach_every_parameter_of_a_negative_output():
  vae = VAE(**SMALL)
  params, density, noise = _start(vae)
  params = jax.tree.map(lambda p: p, params)
  params['params']['exit']['bias'] -= 100.0
  apply = jax.jit(vae.apply)
  loss = lambda p: jnp.mean((apply(p, density, noise)[0] - density) ** 2)
  assert apply(params, density, noise)[0].max() == 0
  grads = jax.jit(jax.grad(loss))(params)
  assert jnp.abs(grads['params']['exit']['bias']).min() > 0


def test_noise_is_each_examples_own():
  keys = jax.random.split(jax.random.key(0), 4)
  noise = latent_noise(keys, (3, 3))
  np.testing.assert_array_equal(noise[2:], latent_noise(keys[2:], (3, 3)))
  moved = sample_latent(jnp.ones(3), jnp.log(4.0 * jnp.ones(3)), jnp.ones(3))
  np.testing.assert_allclose(moved, 3.0, rtol=1e-6)


@pytest.mark.slow
def test_bfloat16_stays_inside():
  vae = VAE(dtype=jnp.bfloat16, **SMALL)
  params, density, noise = _start(vae)
  assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(params))
  outputs = jax.jit(vae.apply)(params, density, noise)
  for output in outputs:
    assert output.dtype == jnp.float32 and jnp.isfinite(output).all()
  assert (outputs[0] >= 0).all()
