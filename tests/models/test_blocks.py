import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.models import blocks


def _field(side, channels=2, seed=0):
  key = jax.random.key(seed)
  return jax.random.normal(key, (1, side, side, side, channels))


@pytest.mark.parametrize('f', [1, 2, 3])
def test_unfold_inverts_fold(f):
  x = _field(6)
  folded = blocks.fold(x, f)
  assert folded.shape == (1, *[6 // f] * 3, 2 * f**3)
  np.testing.assert_array_equal(blocks.unfold(folded, f), x)


def test_fold_keeps_a_block_together():
  x = _field(6)
  folded = blocks.fold(x, 3)
  np.testing.assert_array_equal(folded[0, 1, 0, 1], x[0, 3:, :3, 3:].ravel())


@pytest.mark.parametrize(
  ('size', 'multiple', 'grown'), [(60, 16, 64), (30, 8, 32)]
)
def test_growing_and_cropping(size, multiple, grown):
  x = jnp.arange(size, dtype=jnp.float32)[None, :, None, None, None]
  x = jnp.broadcast_to(x, (1, size, size, size, 1))
  padded = blocks.pad_to_multiple(x, multiple, 'replicate')
  assert padded.shape[1] == grown
  np.testing.assert_array_equal(blocks.crop_to(padded, size), x)
  before = (grown - size) // 2
  np.testing.assert_array_equal(padded[0, 0], padded[0, before])


def test_a_periodic_field_does_not_grow():
  with pytest.raises(ValueError, match='30 voxels'):
    blocks.pad_to_multiple(_field(30), 16, 'circular')


def test_an_unknown_padding_is_named():
  with pytest.raises(ValueError, match="'zero'"):
    blocks.pad_faces(_field(4), 1, 1, 'zero')


def test_up_and_down_shift_nothing():
  """A ramp stays a ramp: coarse voxels sit in the middle of fine ones."""
  ramp = jnp.arange(16.0)[None, :, None, None, None]
  ramp = jnp.broadcast_to(ramp, (1, 16, 16, 16, 1))
  coarse = ramp.reshape(1, 8, 2, 8, 2, 8, 2, 1).mean((2, 4, 6))
  fine = blocks.upsample(coarse, 'replicate')
  np.testing.assert_allclose(fine[:, 2:-2], ramp[:, 2:-2], atol=1e-5)


def test_circular_upsampling_goes_over_the_faces():
  x = _field(4)
  once = blocks.upsample(jnp.roll(x, 1, axis=2), 'circular')
  np.testing.assert_allclose(
    once, jnp.roll(blocks.upsample(x, 'circular'), 2, axis=2), atol=1e-6
  )


@pytest.mark.parametrize('block', [blocks.Conv, blocks.ResBlock])
def test_circular_blocks_move_with_their_input(block):
  x = _field(4)
  module = block(3, 'circular')
  params = jax.jit(module.init)(jax.random.key(1), x)
  params = jax.tree.map(lambda p: p + 0.1, params)  # Zeros hide mistakes.
  apply = jax.jit(module.apply)
  moved = apply(params, jnp.roll(x, 1, axis=3))
  still = jnp.roll(apply(params, x), 1, axis=3)
  np.testing.assert_allclose(moved, still, atol=1e-5)


def test_cosines_are_orthonormal_and_the_first_is_flat():
  waves = blocks.cosines(4, 20)
  np.testing.assert_allclose(waves.T @ waves, np.eye(20), atol=1e-12)
  np.testing.assert_allclose(waves[:, 0], 4**-1.5)
  assert not blocks.cosines(2, 11)[:, 8:].any()


def test_scale_gradient_is_x_with_another_slope():
  value, grad = jax.value_and_grad(
    lambda x: blocks.scale_gradient(x, 0.25) ** 2
  )(3.0)
  assert value == 9.0 and grad == pytest.approx(1.5)
