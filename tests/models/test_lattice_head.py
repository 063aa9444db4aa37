import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.models import LatticeHead


def test_lengths_are_positive_and_cosines_are_cosines():
  head = LatticeHead(width=8)
  latent = 5 * jax.random.normal(jax.random.key(0), (3, 2, 2, 2, 4))
  params = jax.jit(head.init)(jax.random.key(1), latent)
  lattice = jax.jit(head.apply)(params, latent)
  assert lattice.shape == (3, 6)
  assert (lattice[:, :3] > 0).all() and (jnp.abs(lattice[:, 3:]) <= 1).all()


def test_a_spatial_latent_is_averaged():
  head = LatticeHead(width=8)
  latent = jax.random.normal(jax.random.key(0), (3, 2, 2, 2, 4))
  params = jax.jit(head.init)(jax.random.key(1), latent)
  apply = jax.jit(head.apply)
  np.testing.assert_allclose(
    apply(params, latent),
    apply(params, jnp.roll(latent, 1, axis=2)),
    atol=1e-6,
  )
